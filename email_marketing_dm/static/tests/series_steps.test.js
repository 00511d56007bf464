import {animationFrame, describe, expect, press, queryAllTexts, test} from "@odoo/hoot";
import {
    clickSave,
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Series extends models.Model {
    _name = "directmail.series";

    state = fields.Char();
    step_ids = fields.One2many({
        relation: "directmail.series.step",
        relation_field: "series_id",
        onChange: (record) => {
            record.change_notice = "The order has changed.";
        },
    });
    change_notice = fields.Char();

    _records = [{id: 1, state: "running", step_ids: [1, 2, 3]}];
}

class Step extends models.Model {
    _name = "directmail.series.step";

    series_id = fields.Many2one({relation: "directmail.series"});
    sequence = fields.Integer();
    number = fields.Integer();
    summary = fields.Char();

    _records = [
        {id: 1, sequence: 10, number: 1, summary: "Welcome"},
        {id: 2, sequence: 10, number: 2, summary: "Wait"},
        {id: 3, sequence: 10, number: 3, summary: "Offer"},
    ];
}

defineMailModels();
defineModels([Series, Step]);

async function mountSeries(view = "list") {
    const fieldsOfStep = `
        <field name="number" widget="directmail_step_place"/>
        <field name="summary"/>`;
    const steps = {
        list: `<list>
            <field name="sequence" widget="handle"/>${fieldsOfStep}
        </list>`,
        kanban: `<kanban>
            <field name="sequence" widget="handle"/>
            <templates><t t-name="card">${fieldsOfStep}</t></templates>
        </kanban>`,
    };
    await mountView({
        type: "form",
        resModel: "directmail.series",
        resId: 1,
        arch: `<form>
            <field name="state"/>
            <field name="change_notice"/>
            <field name="step_ids" widget="directmail_series_steps" mode="${view}"
                   readonly="state == 'ended'">
                ${steps[view]}
                <form><field name="summary"/></form>
            </field>
        </form>`,
    });
}

const UP = ".o_directmail_move_up";
const DOWN = ".o_directmail_move_down";
const rowOf = (text) => `.o_data_row:contains(${text})`;

test("a step moves up and down, as by dragging, and is saved in its new place", async () => {
    onRpc("directmail.series", "web_save", ({args}) => {
        const moved = args[1].step_ids.map(([, id, {sequence}]) => [id, sequence]);
        expect.step(moved.sort());
    });
    await mountSeries();
    await contains(`${rowOf("Offer")} ${UP}`).click();
    expect(queryAllTexts("td[name=summary]")).toEqual(["Welcome", "Offer", "Wait"]);
    expect(queryAllTexts("td[name=number]")).toEqual(["1", "2", "3"]);
    expect("[name=change_notice] input").toHaveValue("The order has changed.");
    await contains(`${rowOf("Welcome")} ${DOWN}`).click();
    expect(queryAllTexts("td[name=summary]")).toEqual(["Offer", "Welcome", "Wait"]);
    expect(".modal").toHaveCount(0);
    await clickSave();
    expect.verifySteps([
        [
            [1, 11],
            [2, 12],
            [3, 10],
        ],
    ]);
    await contains(`${rowOf("Wait")} ${UP}`).click();
    expect(queryAllTexts("td[name=summary]")).toEqual(["Offer", "Wait", "Welcome"]);
});

test("a step that was just added moves, too", async () => {
    await mountSeries();
    await contains(".o_field_x2many_list_row_add a").click();
    await contains(".modal [name=summary] input").edit("Thanks");
    await contains(".modal .o_form_button_save").click();
    expect(`${rowOf("Offer")} ${DOWN}`).toBeEnabled();
    await contains(`${rowOf("Thanks")} ${UP}`).click();
    expect(queryAllTexts("td[name=summary]")).toEqual([
        "Welcome",
        "Wait",
        "Thanks",
        "Offer",
    ]);
});

test("the first step can't move up and the last one not down", async () => {
    await mountSeries();
    expect(`${rowOf("Welcome")} ${UP}`).not.toBeEnabled();
    expect(`${rowOf("Welcome")} ${DOWN}`).toBeEnabled();
    expect(`${rowOf("Offer")} ${UP}`).toBeEnabled();
    expect(`${rowOf("Offer")} ${DOWN}`).not.toBeEnabled();
});

test("by the keyboard the focus stays on the step, and buttons say which step it is", async () => {
    await mountSeries();
    await contains(`${rowOf("Offer")} ${UP}`).focus();
    await press("Enter");
    await animationFrame();
    await animationFrame();
    expect(queryAllTexts("td[name=summary]")).toEqual(["Welcome", "Offer", "Wait"]);
    expect(".modal").toHaveCount(0);
    expect(`${rowOf("Offer")} ${UP}`).toBeFocused();
    expect(`${rowOf("Offer")} ${UP}`).toHaveAttribute("aria-label", "Move up: Offer");
    await press("Enter");
    await animationFrame();
    await animationFrame();
    expect(queryAllTexts("td[name=summary]")).toEqual(["Offer", "Welcome", "Wait"]);
    expect(`${rowOf("Offer")} ${DOWN}`).toBeFocused();
    expect(`${rowOf("Offer")} ${DOWN}`).toHaveAttribute(
        "aria-label",
        "Move down: Offer"
    );
});

test("two quick presses move a step by two places", async () => {
    await mountSeries();
    const {click} = await contains(`${rowOf("Offer")} ${UP}`);
    await Promise.all([click(), click()]);
    await animationFrame();
    expect(queryAllTexts("td[name=summary]")).toEqual(["Offer", "Welcome", "Wait"]);
});

test("cards of a phone have the buttons, which do not open the step", async () => {
    await mountSeries("kanban");
    await contains(`.o_kanban_record:contains(Offer) ${UP}`).click();
    const cards = queryAllTexts(".o_kanban_record[data-id]");
    expect(cards.map((text) => text.match(/[A-Z]\w+/)[0])).toEqual([
        "Welcome",
        "Offer",
        "Wait",
    ]);
    expect(".modal").toHaveCount(0);
});

test("the steps of a series that has ended stay where they are", async () => {
    Series._records[0].state = "ended";
    await mountSeries();
    expect(UP).toHaveCount(0);
    expect(DOWN).toHaveCount(0);
    expect(queryAllTexts("td[name=number]")).toEqual(["1", "2", "3"]);
});
