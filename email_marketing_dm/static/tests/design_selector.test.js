import {beforeEach, describe, expect, test} from "@odoo/hoot";
import {waitForNone} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import {unmockedOrm} from "@web/../tests/_framework/module_set.hoot";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {DirectmailBodyField} from "@email_marketing_dm/mail_body/mail_body_field";
import {MassMailingIframe} from "@mass_mailing/iframe/mass_mailing_iframe";

describe.current.tags("desktop");

class Template extends models.Model {
    _name = "directmail.template";

    subject = fields.Char();
    preview_text = fields.Char();
    body_arch = fields.Html();
    body_html = fields.Html();
    mailing_model_id = fields.Many2one({relation: "ir.model"});
    mailing_model_real = fields.Char();
}

class Design extends models.Model {
    _name = "directmail.design";

    name = fields.Char();
    description = fields.Char();

    _records = [{id: 2, name: "Sale", description: "A big figure"}];

    get_content([id]) {
        return {
            subject: `Subject ${id}`,
            preview_text: `Preview ${id}`,
            body_arch: `<div class="o_layout oe_unremovable oe_unmovable o_empty_theme">
                <div class="container o_mail_wrapper o_mail_regular oe_unremovable">
                <div class="row mw-100 mx-0">
                <div class="col o_mail_no_options o_mail_wrapper_td bg-white oe_structure">
                <section class="s_text_block o_mail_snippet_general" data-snippet="s_text_block">
                    <div class="container"><p>Body ${id}</p></div>
                </section></div></div></div>
            </div>`,
        };
    }
}

class IrUiView extends models.Model {
    render_public_asset(template, values) {
        return unmockedOrm("ir.ui.view", "render_public_asset", [template, values], {});
    }
}

defineMailModels();
defineModels([Template, Design, IrUiView]);

let bodyField;
beforeEach(async () => {
    patchWithCleanup(DirectmailBodyField.prototype, {
        setup() {
            super.setup();
            bodyField = this;
        },
    });
    onRpc("mailing.mailing", "action_fetch_favorites", () => []);
    patchWithCleanup(MassMailingIframe.prototype, {
        // As in Odoo's own tests: styles are not needed here.
        loadIframeAssets() {
            return {"mass_mailing.assets_inside_builder_iframe": {toggle: () => null}};
        },
    });
    expect.errors(1);
    await mountView({
        type: "form",
        resModel: "directmail.template",
        arch: `<form>
            <field name="subject"/>
            <field name="preview_text"/>
            <field name="mailing_model_id" invisible="1"/>
            <field name="mailing_model_real" invisible="1"/>
            <field name="body_html" class="o_mail_body_inline" invisible="1"/>
            <field name="body_arch" class="o_mail_body_mailing" widget="directmail_mail_body"
                options="{'inline_field': 'body_html'}"/>
        </form>`,
    });
    // Hoot looks into each frame. It can't here, because the design is in a sandbox.
    await expect.waitForErrors([/cross-origin frame/]);
});

test("a new template offers the designs together with Odoo's themes", async () => {
    expect(".o_directmail_design").toHaveCount(1);
    expect(".o_directmail_design").toHaveText(/Sale\s+A big figure/);
    expect(".o_directmail_design iframe").toHaveAttribute("sandbox", "");
    expect(".o_mail_theme_selector [data-name]").not.toHaveCount(0);
});

test("a design brings its subject and preview text, and keeps what was written", async () => {
    await contains("[name=subject] input").edit("Mine");
    await contains(".o_directmail_design[data-design='2']").click();
    await waitForNone(".o_directmail_designs");
    expect(String(bodyField.props.record.data.body_arch)).toMatch(/Body 2/);
    expect("[name=subject] input").toHaveValue("Mine");
    expect("[name=preview_text] input").toHaveValue("Preview 2");
});
