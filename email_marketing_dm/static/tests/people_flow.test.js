import {describe, expect, test} from "@odoo/hoot";
import {press, queryAllTexts, queryOne} from "@odoo/hoot-dom";
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
import {layOut} from "@email_marketing_dm/people_flow/flow_layout";

describe.current.tags("desktop");

class Model extends models.Model {
    _name = "directmail.aipl.model";

    name = fields.Char();

    _records = [{id: 1, name: "Stages"}];
}

defineMailModels();
defineModels([Model]);

const DATA = {
    since: "2026-03-01",
    until: "2026-03-31",
    known: "2026-01-15",
    last: "2026-03-31",
    groups: [
        {name: "a", label: "Awareness"},
        {name: "p", label: "Purchase"},
    ],
    flows: [
        {before: "a", after: "a", people: 5000},
        {before: "a", after: "p", people: 1200},
        {before: "p", after: false, people: 30},
        {before: false, after: "a", people: 7},
    ],
};

/** Open a model; steps tell the days asked for, and what is opened. */
async function mountFlow(data = DATA) {
    onRpc("directmail.aipl.model", "get_flows", ({args}) => {
        expect.step(`days ${args.slice(1)}`);
        return data;
    });
    for (const method of [
        "action_view_flow",
        "action_new_audience_of_flow",
        "action_series_of_flow",
    ]) {
        onRpc("directmail.aipl.model", method, ({args}) => {
            expect.step([method, ...args.slice(1)].join(" "));
            return {type: "ir.actions.act_window_close"};
        });
    }
    mockService("action", {doAction: () => {}});
    await mountView({
        type: "form",
        resModel: "directmail.aipl.model",
        resId: 1,
        arch: `<form><widget name="directmail_people_flow"/></form>`,
    });
    expect.verifySteps(["days false,false"]);
}

const ribbon = (text) => `path[aria-label='${text}']`;

test("a ribbon for each movement, and the people on both sides", async () => {
    await mountFlow();
    expect("path").toHaveCount(3);
    expect(ribbon("Awareness to Purchase: 1,200")).toHaveCount(1);
    const groups = queryAllTexts(".o_directmail_flow_group").map((text) =>
        text.replace(/\s+/g, " ")
    );
    expect(groups).toEqual([
        "Awareness 1,200",
        "Purchase 30",
        "Not in the model 7",
        "Awareness 7",
        "Purchase 1,200",
        "Not in the model 30",
    ]);
});

test("people who stayed are shown on demand", async () => {
    await mountFlow();
    await contains("#directmail_flow_stayed").click();
    expect("path").toHaveCount(4);
    expect(ribbon("Awareness to Awareness: 5,000")).toHaveCount(1);
});

test("a ribbon opens its people, or an audience or a series of them", async () => {
    await mountFlow();
    expect(".o_directmail_flow_chosen button").toHaveCount(0);
    await contains(ribbon("Purchase to Not in the model: 30")).click();
    await contains(".o_directmail_flow_chosen button:contains(People)").click();
    expect.verifySteps(["action_view_flow p false 2026-03-01 2026-03-31"]);
    await contains(".o_directmail_flow_chosen button:contains(New audience)").click();
    expect.verifySteps(["action_new_audience_of_flow p false 2026-03-01 2026-03-31"]);
    await contains(".o_directmail_flow_chosen button:contains(Start a series)").click();
    expect.verifySteps(["action_series_of_flow p false 2026-03-01 2026-03-31"]);
});

test("ribbons are chosen with the keyboard", async () => {
    await mountFlow();
    const path = queryOne(ribbon("Awareness to Purchase: 1,200"));
    path.focus();
    await press("Enter");
    await animationFrame();
    expect(path).toHaveAttribute("aria-pressed", "true");
    expect(".o_directmail_flow_chosen b").toHaveText("Awareness to Purchase: 1,200");
});

test("the table has the same figures and opens the same people", async () => {
    await mountFlow();
    queryOne("details").open = true;
    await animationFrame();
    expect("tbody tr").toHaveCount(3);
    await contains("tbody button:contains(1,200)").click();
    expect.verifySteps(["action_view_flow a p 2026-03-01 2026-03-31"]);
});

test("another day is asked for", async () => {
    await mountFlow();
    await contains("#directmail_flow_since").edit("02/01/2026");
    await animationFrame();
    expect.verifySteps(["days 2026-02-01,2026-03-31"]);
});

test("nobody moved", async () => {
    await mountFlow({...DATA, flows: DATA.flows.slice(0, 1)});
    expect(".o_directmail_flow_none").toHaveText(
        "Nobody moved between these two days."
    );
    expect("path").toHaveCount(0);
    await contains("#directmail_flow_stayed").click();
    expect("path").toHaveCount(1);
});

test("a model that was not computed shows nothing", async () => {
    await mountFlow(false);
    expect(".o_directmail_flow").toHaveCount(0);
});

test("ribbons fill their groups from edge to edge", () => {
    const {left, right, ribbons, height} = layOut(DATA.flows, ["a", "p", false]);
    expect(left.map(({name, people}) => [name, people])).toEqual([
        ["a", 6200],
        ["p", 30],
        [false, 7],
    ]);
    for (const groups of [left, right]) {
        const end = groups.at(-1);
        expect(Math.round(end.top + end.height)).toBe(Math.round(height - 6));
        expect(groups.every((group) => group.height >= 34)).toBe(true);
        expect(groups.every((g) => Math.abs(g.taken - g.height) < 1e-6)).toBe(true);
    }
    expect(ribbons).toHaveLength(4);
    expect(ribbons[0].path.startsWith("M0,0 ")).toBe(true);
});
