import {describe, expect, test} from "@odoo/hoot";
import {queryOne} from "@odoo/hoot-dom";
import {defineModels, fields, models, mountView} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Template extends models.Model {
    _name = "directmail.template";

    name = fields.Char();

    _records = [{id: 7, name: "Spring", write_date: "2026-03-01 10:00:00"}];
}

class Task extends models.Model {
    _name = "directmail.task";

    template_id = fields.Many2one({relation: "directmail.template"});
    template_write_date = fields.Datetime();

    _records = [
        {id: 3, template_id: 7, template_write_date: "2026-03-01 10:00:00"},
        {id: 4, template_id: false},
    ];
}

defineMailModels();
defineModels([Template, Task]);

async function mountCard() {
    expect.errors(1);
    await mountView({
        type: "kanban",
        resModel: "directmail.template",
        arch: `<kanban><templates><t t-name="card">
            <widget name="directmail_thumbnail"/>
        </t></templates></kanban>`,
    });
    // Hoot looks into each frame. It can't here, because the mail is in a sandbox.
    await expect.waitForErrors([/cross-origin frame/]);
    return queryOne(".o_directmail_thumbnail iframe");
}

test("a card shows its own mail, as it was changed last", async () => {
    const frame = await mountCard();
    const changed = Date.UTC(2026, 2, 1, 10);
    // Odoo's test setup renames the attribute, so that nothing is fetched.
    expect(frame).toHaveAttribute(
        "data-src",
        `/directmail/thumbnail/template/7?unique=${changed}`
    );
});

test("a mail on a card can't run scripts, and screen readers pass over it", async () => {
    const frame = await mountCard();
    expect(frame).toHaveAttribute("sandbox", "");
    expect(frame).toHaveAttribute("tabindex", "-1");
    expect(".o_directmail_thumbnail").toHaveAttribute("aria-hidden", "true");
});

test("an email task shows the mail of its template; without one, nothing", async () => {
    expect.errors(1);
    await mountView({
        type: "kanban",
        resModel: "directmail.task",
        arch: `<kanban><templates><t t-name="card">
            <widget name="directmail_task_thumbnail"/>
        </t></templates></kanban>`,
    });
    await expect.waitForErrors([/cross-origin frame/]);
    expect(".o_kanban_record:not(.o_kanban_ghost)").toHaveCount(2);
    expect(".o_directmail_thumbnail iframe").toHaveCount(1);
    expect(".o_directmail_thumbnail iframe").toHaveAttribute(
        "data-src",
        `/directmail/thumbnail/template/7?unique=${Date.UTC(2026, 2, 1, 10)}`
    );
});
