import {animationFrame, describe, expect, test} from "@odoo/hoot";
import {queryFirst} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
    serverState,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Template extends models.Model {
    _name = "directmail.template";

    state = fields.Char();
    subject = fields.Char();

    _records = [
        {id: 1, state: "draft", subject: "Hello"},
        {id: 2, state: "approved", subject: "Approved"},
    ];
}

class Task extends models.Model {
    _name = "directmail.task";

    state = fields.Char();
    subject = fields.Char();
    template_id = fields.Many2one({relation: "directmail.template"});
    template_state = fields.Char();
    own_content = fields.Boolean();

    _records = [
        {id: 5, subject: "Mine", template_id: 2, template_state: "approved"},
        {
            id: 6,
            subject: "Mine",
            template_id: 2,
            template_state: "approved",
            own_content: true,
        },
    ];
}

defineMailModels();
defineModels([Template, Task]);

/** Open the preview; steps tell which content the server is asked to show, and for whom. */
async function openPreview(resId, resModel = "directmail.template") {
    onRpc("res.partner", "search", () => [serverState.partnerId]);
    onRpc(
        "directmail.template",
        "preview_content",
        ({args: [ids, content, partner, isDark]}) => {
            const shown = content ? `"${content.subject}"` : "what was submitted";
            const reader = partner ? "a contact" : "nobody";
            const how = isDark ? " in dark mode" : "";
            expect.step(`${shown} of template ${ids} for ${reader}${how}`);
            return {
                subject: "Hello Ann",
                sender_name: "The shop",
                html: `<a href="https://public.example/a"><img src="https://public.example/b.png"/></a>`,
                public_url: "https://public.example",
            };
        }
    );
    await mountView({
        type: "form",
        resModel,
        resId,
        arch: `<form>
            <field name="subject"/>
            ${
                resModel === "directmail.task"
                    ? `<field name="template_id"/><field name="template_state"/>
                       <field name="own_content"/>`
                    : ""
            }
            <widget name="directmail_preview"/>
        </form>`,
    });
}

async function clickPreview() {
    expect.errors(1);
    await contains("button:contains(Preview)").click();
    // Hoot looks into each frame. It can't here, because the mail is in a sandbox.
    await expect.waitForErrors([/cross-origin frame/]);
    await animationFrame();
}

test("a draft is shown as the form has it, saved or not, for a contact", async () => {
    await openPreview(1);
    await contains("[name=subject] input").edit("Hello again");
    await clickPreview();
    expect.verifySteps(['"Hello again" of template 1 for a contact']);
    expect(".o_directmail_preview_sender").toHaveText("The shop");
    expect(".o_directmail_preview_subject").toHaveText("Hello Ann");
});

test("an approved template is shown as it was submitted", async () => {
    await openPreview(2);
    await clickPreview();
    expect.verifySteps(["what was submitted of template 2 for a contact"]);
});

test("a task shows its template as it was submitted", async () => {
    await openPreview(5, "directmail.task");
    await clickPreview();
    expect.verifySteps(["what was submitted of template 2 for a contact"]);
});

test("a task with content of its own shows that", async () => {
    await openPreview(6, "directmail.task");
    await clickPreview();
    expect.verifySteps(['"Mine" of template 2 for a contact']);
});

test("without a contact, the mail is shown with default values", async () => {
    await openPreview(1);
    await clickPreview();
    await contains(".o_directmail_preview .o_record_selector input").clear({
        confirm: "blur",
    });
    await animationFrame();
    expect.verifySteps([
        '"Hello" of template 1 for a contact',
        '"Hello" of template 1 for nobody',
    ]);
});

test("images of the public address come from this server, links stay", async () => {
    await openPreview(1);
    await clickPreview();
    expect.verifySteps(['"Hello" of template 1 for a contact']);
    expect(queryFirst(".o_directmail_preview iframe").srcdoc).toBe(
        `<a href="https://public.example/a"><img src="/b.png"/></a>`
    );
    expect(".o_directmail_preview iframe").toHaveAttribute("sandbox", "");
});

test("a click shows the mail as wide as on a phone, another as on a desktop", async () => {
    await openPreview(1);
    await clickPreview();
    expect.verifySteps(['"Hello" of template 1 for a contact']);
    expect(".o_directmail_preview_stage").not.toHaveClass("o_phone");
    await contains(".o_directmail_preview button:contains(Mobile)").click();
    expect(".o_directmail_preview_stage").toHaveClass("o_phone");
    await contains(".o_directmail_preview button:contains(Desktop)").click();
    expect(".o_directmail_preview_stage").not.toHaveClass("o_phone");
});

test("dark mode is asked of the server, another click shows the mail as it is", async () => {
    await openPreview(1);
    await clickPreview();
    expect.verifySteps(['"Hello" of template 1 for a contact']);
    const dark = ".o_directmail_preview button:contains(Dark mode)";
    await contains(dark).click();
    expect(dark).toHaveAttribute("aria-pressed", "true");
    expect.verifySteps(['"Hello" of template 1 for a contact in dark mode']);
    await contains(dark).click();
    expect(dark).toHaveAttribute("aria-pressed", "false");
    expect.verifySteps(['"Hello" of template 1 for a contact']);
});
