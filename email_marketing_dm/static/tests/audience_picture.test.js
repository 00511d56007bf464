import {describe, expect, test} from "@odoo/hoot";
import {queryAllTexts, queryOne} from "@odoo/hoot-dom";
import {animationFrame} from "@odoo/hoot-mock";
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
import {getLens, makeVenn} from "@email_marketing_dm/audience_picture/venn";

describe.current.tags("desktop");

class Audience extends models.Model {
    _name = "directmail.audience";

    name = fields.Char();

    _records = [
        {id: 7, name: "Customers"},
        {id: 8, name: "Guests"},
    ];
}

class Snapshot extends models.Model {
    _name = "directmail.audience.snapshot";

    name = fields.Char();

    _records = [{id: 5, name: "Guests, 1 May"}];
}

class Comparison extends models.Model {
    _name = "directmail.audience.comparison";

    audience_id = fields.Many2one({relation: "directmail.audience"});
    other_id = fields.Many2one({relation: "directmail.audience"});
    snapshot_id = fields.Many2one({relation: "directmail.audience.snapshot"});
    other_snapshot_id = fields.Many2one({relation: "directmail.audience.snapshot"});

    _records = [
        {id: 1, audience_id: 7},
        {id: 2, audience_id: 7, other_id: 8, other_snapshot_id: 5},
    ];
}

defineMailModels();
defineModels([Audience, Snapshot, Comparison]);

const row = (value, label, count, share, more) => ({
    value,
    label,
    count,
    share,
    single: true,
    makes_line: true,
    ...more,
});
const COMPOSITION = {
    people: 2100,
    shown: 2000,
    hidden: 100,
    can_open: true,
    traits: [
        {
            name: "country",
            label: "Country",
            note: false,
            rows: [
                row(57, "Germany", 1500, 0.75),
                row(false, "Not set", 400, 0.2),
                row(false, "12 others", 100, 0.05, {single: false, makes_line: false}),
            ],
        },
        {
            name: "engagement",
            label: "Emails",
            note: "Only some.",
            rows: [row("clicked", "Clicked", 2000, 1, {makes_line: false})],
        },
    ],
};
const DIFFERENCES = {
    people: 2000,
    others: 9000,
    looked: 40,
    differences: [
        {
            trait: "country",
            value: 57,
            trait_label: "Country",
            label: "Germany",
            share: 0.75,
            other: 0.5,
            low: 0.214,
            high: 0.286,
            makes_line: true,
        },
        {
            trait: "engagement",
            value: "quiet",
            trait_label: "Emails",
            label: "Quiet",
            share: 0.1,
            other: 0.3,
            low: -0.25,
            high: -0.15,
            makes_line: false,
        },
    ],
};
const OVERLAP = {only_a: 1500, both: 500, only_b: 250, hidden_a: 0, hidden_b: 3};

/** Open the page; steps tell what is called. */
async function mountPage(resId, answers = {}) {
    const all = {
        get_composition: COMPOSITION,
        get_differences: DIFFERENCES,
        get_overlap: OVERLAP,
        ...answers,
    };
    for (const [method, answer] of Object.entries(all)) {
        onRpc("directmail.audience", method, ({args}) => {
            expect.step([method, ...args.flat()].join(" "));
            return answer;
        });
    }
    for (const method of [
        "action_view_trait",
        "action_new_audience_of_trait",
        "action_new_audience_of_part",
    ]) {
        onRpc("directmail.audience", method, ({args}) => {
            expect.step([method, ...args.flat()].join(" "));
            return {type: "ir.actions.act_window"};
        });
    }
    mockService("action", {doAction: () => expect.step("opened")});
    await mountView({
        type: "form",
        resModel: "directmail.audience.comparison",
        resId,
        arch: `<form><field name="audience_id"/><field name="other_id"/>
            <widget name="directmail_audience_picture"/></form>`,
    });
    await animationFrame();
}

test("each property has its bars, which open their people or make an audience", async () => {
    await mountPage(1);
    expect.verifySteps([
        "get_differences 7 false false false",
        "get_composition 7 false",
    ]);
    expect(queryAllTexts("[data-trait=country] .o_directmail_value_label")).toEqual([
        "Germany",
        "Not set",
        "12 others",
    ]);
    expect("[data-trait=country] .o_directmail_value_count:first").toHaveText(
        /1,500\s*75\.0%/
    );
    expect(
        queryOne("[data-trait=country] .o_directmail_value_bar:first").style.width
    ).toBe("75%");
    expect("[data-trait=engagement] p").toHaveText("Only some.");
    expect(".o_directmail_picture section:last > p").toHaveText(/2,000.*100\.$/);
    await contains("[data-trait=country] button:contains(Not set)").click();
    expect.verifySteps(["action_view_trait 7 country false false", "opened"]);
    await contains("[data-trait=country] button:has(.fa-plus):first").click();
    expect.verifySteps(["action_new_audience_of_trait 7 country 57 false", "opened"]);
    expect("button:contains(12 others)").not.toBeEnabled();
    expect("[data-trait=engagement] button:has(.fa-plus)").not.toBeVisible();
});

test("people of a colleague's audience are not listed", async () => {
    await mountPage(1, {get_composition: {...COMPOSITION, can_open: false}});
    expect.verifySteps([
        "get_differences 7 false false false",
        "get_composition 7 false",
    ]);
    expect("button:contains(Germany)").not.toBeEnabled();
    expect("[data-trait=country] button:has(.fa-plus):first").toBeEnabled();
});

test("what sets it apart is told with its range", async () => {
    await mountPage(1);
    expect.verifySteps([
        "get_differences 7 false false false",
        "get_composition 7 false",
    ]);
    const cells = queryAllTexts(".o_directmail_differences td");
    expect(cells.slice(0, 4)).toEqual([
        "Country Germany",
        "75.0%",
        "50.0%",
        "+21.4% to +28.6%",
    ]);
    expect(cells[7]).toBe("−25.0% to −15.0%");
    expect(".o_directmail_differences th:eq(2)").toHaveText("All contacts");
    expect(".o_directmail_differences button").toHaveCount(1);
    await contains(".o_directmail_differences button").click();
    expect.verifySteps(["action_new_audience_of_trait 7 country 57 false", "opened"]);
});

async function expectText(answer, text) {
    await mountPage(1, {get_differences: answer});
    expect.verifySteps([
        "get_differences 7 false false false",
        "get_composition 7 false",
    ]);
    expect(".o_directmail_picture section:first > p").toHaveText(text);
    expect(".o_directmail_differences").toHaveCount(0);
}

test("it is said that nothing differs", async () => {
    await expectText({...DIFFERENCES, differences: []}, /No property .* 40\./);
});

test("it is said that there are too few people", async () => {
    await expectText({...DIFFERENCES, differences: [], looked: 0}, /not enough people/);
});

test("it is said that counting took too long", async () => {
    await expectText({error: "It took too long."}, "It took too long.");
});

test("two audiences are drawn, and each part becomes an audience", async () => {
    await mountPage(2);
    expect.verifySteps([
        "get_differences 7 8 false 5",
        "get_composition 7 false",
        "get_overlap 7 8 false 5",
    ]);
    expect(".o_directmail_venn").toHaveAttribute(
        "aria-label",
        "Only in Customers: 1,500. In both: 500. Only in Guests, 1 May: 250"
    );
    expect(".o_directmail_picture section:first > p").toHaveText(/: 0 .* 3 /);
    expect(".o_directmail_differences th:eq(2)").toHaveText("Guests, 1 May");
    await contains("[data-part=both] button").click();
    expect.verifySteps(["action_new_audience_of_part 7 8 both false 5", "opened"]);
});

test("another audience is chosen: the composition is not counted again", async () => {
    await mountPage(1);
    expect.verifySteps([
        "get_differences 7 false false false",
        "get_composition 7 false",
    ]);
    expect("h2:contains(Overlap)").toHaveCount(0);
    await contains("[name=other_id] input").click();
    await contains(".o-autocomplete--dropdown-item:contains(Guests)").click();
    await animationFrame();
    expect.verifySteps([
        "get_differences 7 8 false false",
        "get_overlap 7 8 false false",
    ]);
    expect("h2:contains(Overlap)").toHaveCount(1);
});

test("circles and what they have in common are in proportion", () => {
    for (const counts of [
        [1500, 500, 250],
        [10, 1, 900],
        [5, 5, 5],
    ]) {
        const {a, b, distance} = makeVenn(...counts);
        const [onlyA, both, onlyB] = counts;
        const unit = (Math.PI * a ** 2) / (onlyA + both);
        expect(Math.PI * b ** 2).toBeCloseTo(unit * (onlyB + both), {margin: 1e-6});
        expect(getLens(a, b, distance)).toBeCloseTo(unit * both, {margin: 1e-6});
        expect(Math.max(a, b)).toBeCloseTo(1, {margin: 1e-9});
    }
    expect(makeVenn(0, 0, 0)).toEqual({a: 0, b: 0, distance: 0});
    const inside = makeVenn(90, 10, 0);
    expect(inside.distance + inside.b).toBeLessThan(1.001);
    const apart = makeVenn(50, 0, 50);
    expect(apart.distance).toBe(2);
});
