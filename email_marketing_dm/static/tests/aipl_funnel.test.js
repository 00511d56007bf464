import {describe, expect, test} from "@odoo/hoot";
import {queryAllAttributes, queryAllTexts} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    mockService,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Segment extends models.Model {
    _name = "directmail.aipl.segment";

    people = fields.Integer();
    stage = fields.Selection({
        selection: [
            ["a", "Awareness"],
            ["i", "Interest"],
            ["p", "Purchase"],
            ["l", "Loyalty"],
        ],
    });

    _records = [
        {id: 1, stage: "a", people: 600},
        {id: 2, stage: "i", people: 0},
        {id: 3, stage: "p", people: 1000},
        {id: 4, stage: "l", people: 400},
        {id: 5, stage: "a", people: 0},
    ];
}

class Model extends models.Model {
    _name = "directmail.aipl.model";

    segment_ids = fields.One2many({relation: "directmail.aipl.segment"});

    _records = [
        {id: 1, segment_ids: [1, 2, 3, 4]},
        {id: 2, segment_ids: [5]},
    ];
}

defineMailModels();
defineModels([Model, Segment]);

async function mountFunnel(resId) {
    onRpc("directmail.aipl.segment", "action_view_people", ({args}) => {
        expect.step(`people of ${args[0]}`);
        return {type: "ir.actions.act_window_close"};
    });
    mockService("action", {doAction: () => {}});
    await mountView({
        type: "form",
        resModel: "directmail.aipl.model",
        resId,
        arch: `<form>
            <widget name="directmail_aipl_funnel"/>
            <field name="segment_ids"><list><field name="stage"/><field name="people"/></list></field>
        </form>`,
    });
}

test("bars are as wide as the people who have come so far", async () => {
    await mountFunnel(1);
    const widths = queryAllAttributes(".o_directmail_funnel_bar", "style");
    expect(widths.map((style) => style.match(/[\d.]+/)[0])).toEqual([
        "100",
        "70",
        "70",
        "20",
    ]);
    expect(queryAllTexts(".o_directmail_funnel_count b")).toEqual([
        "600",
        "0",
        "1,000",
        "400",
    ]);
    expect(queryAllTexts(".o_directmail_funnel_count span")).toEqual([
        "70.0%",
        "100.0%",
        "28.6%",
    ]);
});

test("a bar opens the people of its stage", async () => {
    await mountFunnel(1);
    await contains(".o_directmail_funnel button:contains(Purchase)").click();
    expect.verifySteps(["people of 3"]);
    expect(".o_directmail_funnel button:contains(Interest)").toHaveAttribute(
        "disabled"
    );
});

test("nobody in the model", async () => {
    await mountFunnel(2);
    expect(".o_directmail_funnel").toHaveCount(0);
});
