import {describe, expect, test} from "@odoo/hoot";
import {waitFor} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    getService,
    models,
    mountWithCleanup,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {WebClient} from "@web/webclient/webclient";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Task extends models.Model {
    _name = "directmail.task";

    subject = fields.Char();
    reply_to = fields.Char();

    _records = [{id: 1, subject: "Hello"}];
    _views = {
        form: `<form>
            <field name="subject"/>
            <notebook>
                <page string="Mail" name="content"><p>mail</p></page>
                <page string="Settings" name="settings"><field name="reply_to"/></page>
            </notebook>
        </form>`,
    };
}

defineMailModels();
defineModels([Task]);

async function openMissing(...missing) {
    onRpc("has_group", () => true);
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.act_window",
        res_model: "directmail.task",
        res_id: 1,
        views: [[false, "form"]],
    });
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "directmail_task_missing",
        params: {missing},
    });
    await waitFor(".modal .o_directmail_missing");
}

test("all that is missing is listed, and a click leads to the field", async () => {
    await openMissing(
        {field: "subject", text: "Enter the subject."},
        {field: "reply_to", text: "Enter an address."}
    );
    expect(".modal .o_directmail_missing").toHaveCount(2);
    await contains(".o_directmail_missing[data-field=subject]").click();
    await waitFor("[name=subject] input:focus", {timeout: 60000});
    expect(".modal").toHaveCount(0);
    expect("[name=subject] input").toBeFocused();
});

test("the page of the field is opened first", async () => {
    await openMissing({field: "reply_to", text: "Enter an address."});
    expect("[name=reply_to]").toHaveCount(0);
    await contains(".o_directmail_missing").click();
    await waitFor("[name=reply_to] input:focus", {timeout: 60000});
    expect("[name=reply_to] input").toBeFocused();
});
