import {describe, expect, test} from "@odoo/hoot";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Task extends models.Model {
    _name = "directmail.task";

    subject = fields.Char();
    sender_name = fields.Char();
    preview_text = fields.Char();
    body_html = fields.Html();

    _records = [
        {
            id: 1,
            subject: "Spring is here",
            sender_name: "azure",
            preview_text: "Twelve colors",
            body_html:
                "<style>p {color: red}</style><p>Dear  friend,</p><p>hello<br>you</p>",
        },
        {id: 2},
    ];
}

defineMailModels();
defineModels([Task]);

async function mountTask(resId) {
    await mountView({
        type: "form",
        resModel: "directmail.task",
        resId,
        arch: `<form>
            <widget name="directmail_task_inbox"/>
            <field name="subject"/><field name="preview_text"/>
        </form>`,
    });
}

test("the line shows sender, subject and preview text, as they are typed", async () => {
    await mountTask(1);
    expect(".o_directmail_inbox_initial").toHaveText("A");
    expect(".o_directmail_inbox_sender").toHaveText("azure");
    expect(".o_directmail_inbox_text").toHaveText("Spring is here – Twelve colors");
    await contains("[name=subject] input").edit(
        "{{ object.name ||| Friend }}, {{object.city}} in summer"
    );
    expect(".o_directmail_inbox_text").toHaveText(
        "Friend, ‹city› in summer – Twelve colors"
    );
});

test("without a preview text, the line shows how the mail begins", async () => {
    await mountTask(1);
    await contains("[name=preview_text] input").clear();
    expect(".o_directmail_inbox_text").toHaveText(/Spring is here – Dear friend,/);
    expect(".o_directmail_inbox_text").not.toHaveText(/color: red/);
});

test("an empty task says what will stand there", async () => {
    await mountTask(2);
    expect(".o_directmail_inbox_sender").toHaveText("Sender name");
    expect(".o_directmail_inbox_text").toHaveText("Subject");
});
