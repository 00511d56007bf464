import {
    advanceTime,
    animationFrame,
    beforeEach,
    describe,
    expect,
    test,
} from "@odoo/hoot";
import {queryOne, waitFor, waitUntil} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import {setSelection} from "@html_editor/../tests/_helpers/selection";
import {insertText} from "@html_editor/../tests/_helpers/user_actions";
import {unmockedOrm} from "@web/../tests/_framework/module_set.hoot";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {DirectmailBodyField} from "@email_marketing_dm/mail_body/mail_body_field";
import {MassMailingIframe} from "@mass_mailing/iframe/mass_mailing_iframe";

describe.current.tags("desktop");

class Template extends models.Model {
    _name = "directmail.template";

    subject = fields.Char();
    sender_name = fields.Char();
    preview_text = fields.Char();
    account_id = fields.Many2one({relation: "res.partner"});
    body_arch = fields.Html();
    body_html = fields.Html();
    mailing_model_id = fields.Many2one({relation: "ir.model"});
    mailing_model_real = fields.Char();

    _records = [
        {
            id: 1,
            subject: "Spring",
            body_html: "<p>Dear customer</p>",
            body_arch: `<div class="o_layout oe_unremovable oe_unmovable o_basic_theme">
                <div class="oe_structure"><div class="o_mail_no_options">
                    <p>Dear customer</p>
                </div></div>
            </div>`,
        },
        {
            id: 2,
            subject: "Summer",
            body_html: "<p>Built of blocks</p>",
            body_arch: `<div class="o_layout oe_unremovable oe_unmovable o_empty_theme">
                <div class="container o_mail_wrapper o_mail_regular oe_unremovable">
                <div class="row mw-100 mx-0">
                <div class="col o_mail_no_options o_mail_wrapper_td bg-white oe_structure">
                <section class="s_text_block o_mail_snippet_general" data-snippet="s_text_block">
                    <div class="container"><p>Built of blocks</p></div>
                </section></div></div></div>
            </div>`,
        },
    ];
}

class IrUiView extends models.Model {
    render_public_asset(template, values) {
        return unmockedOrm("ir.ui.view", "render_public_asset", [template, values], {});
    }
}

defineMailModels();
defineModels([Template, IrUiView]);

let bodyField;
beforeEach(() => {
    patchWithCleanup(DirectmailBodyField.prototype, {
        setup() {
            super.setup();
            bodyField = this;
        },
    });
    patchWithCleanup(MassMailingIframe.prototype, {
        // As in Odoo's own tests: styles are not needed here.
        loadIframeAssets() {
            return {"mass_mailing.assets_inside_builder_iframe": {toggle: () => null}};
        },
    });
});

const PATIENCE = {timeout: 60000}; // Only ends what hangs.

async function mountTemplate(resId) {
    await mountView({
        type: "form",
        resModel: "directmail.template",
        resId,
        arch: `<form>
            <field name="subject"/>
            <widget name="directmail_preflight"/>
            <field name="mailing_model_id" invisible="1"/>
            <field name="mailing_model_real" invisible="1"/>
            <field name="body_html" class="o_mail_body_inline" invisible="1"/>
            <field name="body_arch" class="o_mail_body_mailing" widget="directmail_mail_body"
                options="{'inline_field': 'body_html'}"/>
        </form>`,
    });
    await waitFor(".o_mass_mailing_iframe_wrapper iframe:not(.d-none)", PATIENCE);
    await waitFor(":iframe .o_layout", PATIENCE);
}

const PAUSES = 700 + 400; // of the editor and of the checks

/** Note down what the checks are given after this. */
function stepChecks(text) {
    onRpc("directmail.template", "check_content", ({args}) => {
        expect.step(args[1].body.includes(text) ? "typed text checked" : "other text");
        return [];
    });
}

test("what is typed into the mail is checked while nothing is saved", async () => {
    onRpc("directmail.template", "check_content", () => []);
    onRpc("directmail.template", "web_save", () => expect.step("saved"));
    await mountTemplate(1);
    await advanceTime(PAUSES);
    stepChecks("BUY NOW");
    setSelection({anchorNode: queryOne(":iframe p").firstChild, anchorOffset: 0});
    await insertText(bodyField.editor, "BUY NOW ");
    await advanceTime(PAUSES);
    await expect.waitForSteps(["typed text checked"]);
});

test("what is typed into the code is checked while nothing is saved", async () => {
    onRpc("directmail.template", "check_content", () => []);
    onRpc("directmail.template", "web_save", () => expect.step("saved"));
    await mountTemplate(2);
    await contains(".o_codeview_btn").click();
    await advanceTime(PAUSES);
    stepChecks("BUY NOW");
    await contains("textarea.o_codeview").edit("<p>BUY NOW</p>", {confirm: false});
    await advanceTime(PAUSES);
    await expect.waitForSteps(["typed text checked"]);
});

test("everybody can open the code, also outside the developer mode", async () => {
    onRpc("directmail.template", "check_content", () => []);
    await mountTemplate(2);
    await contains(".o_codeview_btn").click();
    expect(await waitFor("textarea.o_codeview", PATIENCE)).toHaveValue(
        /Built of blocks/
    );
});

const HELD = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=#held";

/** Let no mail be inlined that contains the picture `HELD`, until the function that is returned. */
function holdPicture() {
    const held = [];
    function HeldImage() {
        const image = document.createElement("img");
        Object.defineProperty(image, "src", {
            set: (src) => {
                if (src === HELD) {
                    held.push(image);
                } else {
                    image.setAttribute("src", src);
                }
            },
        });
        return image;
    }
    patchWithCleanup(window, {Image: HeldImage});
    return async () => {
        await waitUntil(() => held.length, PATIENCE);
        return () => held.forEach((image) => image.dispatchEvent(new Event("load")));
    };
}

test("a fix is undone for good while the builder is still preparing the mail", async () => {
    const waitForBuilder = holdPicture();
    onRpc("directmail.template", "check_content", ({args}) =>
        args[1].body_arch.includes(HELD)
            ? []
            : [
                  {
                      code: "no_footer",
                      level: "error",
                      title: "No footer",
                      why: "Reviewers refuse it.",
                      details: [],
                      fix: "add_footer",
                      fix_label: "Add a footer",
                  },
              ]
    );
    onRpc("directmail.template", "repair_content", ({args}) => ({
        body_arch: args[1].body_arch.replace(
            "customer",
            `customer <img src="${HELD}">`
        ),
    }));
    await mountTemplate(1);
    await contains("button:contains(Add a footer)").click();
    const goOn = await waitForBuilder();
    await contains(".o_directmail_undo button").click();
    await animationFrame();
    goOn();
    const read = (name) => String(bodyField.props.record.data[name]);
    await waitUntil(
        () =>
            read("body_html").includes("Dear customer") &&
            !read("body_html").includes(HELD),
        PATIENCE
    );
    expect(read("body_arch")).not.toInclude(HELD);
    expect(":iframe img").toHaveCount(0);
});
