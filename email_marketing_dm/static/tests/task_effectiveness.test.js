import {describe, expect, test} from "@odoo/hoot";
import {queryOne} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    mockService,
    models,
    mountView,
    onRpc,
    preloadBundle,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Task extends models.Model {
    _name = "directmail.task";

    name = fields.Char();

    _records = [{id: 1, name: "Spring"}];
}

defineMailModels();
defineModels([Task]);
preloadBundle("web.chartjs_lib");

/** A step of the funnel; `any` includes machines. */
const step = (name, count, any, base) => ({
    name,
    label: name,
    count,
    any,
    base,
    base_label: base ? "Delivered" : "",
    recorded: true,
    known: true,
    text: false,
});
const DATA = {
    funnel: [
        step("people", 200, 200, 0),
        step("sent", 200, 200, 0),
        step("opened", 50, 90, 200),
    ],
    totals: {opens: 60, clicks: 0, machine_opens: 40, machine_clicks: 0},
    hours: [],
    links: [],
    reasons: [{label: "Opted out", count: 3, value: "optout"}],
    failures: [],
    unsubscribes: [],
    removed: false,
    in_tens: false,
    hidden: 0,
};

/** Open a task with these results; steps tell which people are opened from them. */
async function mountTask(data) {
    onRpc("directmail.task", "get_effectiveness", () => data);
    onRpc("directmail.task", "action_view_deliveries", ({kwargs}) => {
        expect.step(`figure ${kwargs.context.figure}`);
        return {type: "ir.actions.act_window"};
    });
    onRpc("directmail.task", "action_view_part", ({args}) => {
        expect.step(`part ${args[1]} ${args[2]}`);
        return {type: "ir.actions.act_window"};
    });
    mockService("action", {doAction: () => expect.step("opened")});
    await mountView({
        type: "form",
        resModel: "directmail.task",
        resId: 1,
        arch: `<form><widget name="directmail_task_effectiveness"/></form>`,
    });
}

test("before the first results, nothing is said to be 0", async () => {
    await mountTask({
        ...DATA,
        funnel: [
            step("sent", 200, 200, 0),
            {...step("delivered", 0, 0, 200), known: false},
            {...step("opened", 0, 0, 0), known: false, recorded: false},
        ],
    });
    expect("[data-step=sent] .o_directmail_step_count").toHaveText("200");
    expect("[data-step=delivered] .o_directmail_step_count").toHaveText(
        "not known yet"
    );
    expect("[data-step=opened] .o_directmail_step_count").toHaveText("not recorded");
    expect("[data-step=delivered] .o_directmail_step_bar").toHaveStyle({width: "0px"});
});

test("the funnel counts people, and machines only after a click", async () => {
    await mountTask(DATA);
    expect("[data-step=opened] b").toHaveText("50");
    expect("[data-step=opened] .text-muted").toHaveText("25.0%");
    expect("[data-step=opened]").toHaveAttribute("title", "50 of 200 (Delivered)");
    await contains("#directmail_machines").click();
    expect("[data-step=opened] b").toHaveText("90");
    expect("[data-step=opened] .text-muted").toHaveText("45.0%");
});

test("where no machine opened or clicked, there is nothing to include", async () => {
    await mountTask({...DATA, totals: {...DATA.totals, machine_opens: 0}});
    expect("#directmail_machines").toHaveCount(0);
});

test("opens and clicks are summed up, those of machines apart", async () => {
    await mountTask(DATA);
    expect(".o_directmail_effectiveness").toHaveText(
        /Opens by people: 60\. Clicks by people: 0\. Opens by machines: 40\./
    );
});

test("a step that the task does not record says so", async () => {
    await mountTask({
        ...DATA,
        funnel: [...DATA.funnel, {...step("clicked", 0, 0, 200), recorded: false}],
    });
    expect("[data-step=clicked]").toHaveText(/not recorded/);
});

test("a click on a step or a reason opens its people", async () => {
    await mountTask(DATA);
    await contains("[data-step=opened]").click();
    await contains("td:contains(Opted out)").click();
    expect.verifySteps(["figure opened", "opened", "part reasons optout", "opened"]);
});

test("opens and clicks are drawn per hour", async () => {
    await mountTask({
        ...DATA,
        hours: [
            {hour: "2026-03-01 10:00:00", opened: 40, clicked: 5},
            {hour: "2026-03-01 11:00:00", opened: 10, clicked: 0},
        ],
    });
    const chart = window.Chart.getChart(queryOne("canvas"));
    const bars = chart.data.datasets.map(({label, data}) => [label, ...data]);
    expect(bars).toEqual([
        ["Opened", 40, 10],
        ["Clicked", 5, 0],
    ]);
    expect(chart.data.labels).toHaveLength(2);
});

test("a click on a link opens the people who clicked it", async () => {
    const url = "https://shop.example/sale";
    await mountTask({
        ...DATA,
        links: [{label: "Sale", url, value: 8, count: 12, clicks: 1500}],
    });
    expect("tr:has([title='https://shop.example/sale'])").toHaveText(
        /Sale\s*12\s*1,500/
    );
    await contains("td:contains(Sale)").click();
    expect.verifySteps(["part links 8", "opened"]);
});

test("each list with rows is shown under its title", async () => {
    await mountTask({
        ...DATA,
        failures: [{label: "Mailbox full", count: 2, value: "full"}],
    });
    expect("h3:contains(Reasons for suppression)").toHaveCount(1);
    expect("h3:contains(Reasons for non-delivery)").toHaveCount(1);
    expect("h3:contains(Reasons for unsubscribing)").toHaveCount(0);
    expect("tr:contains(Mailbox full)").toHaveText(/2/);
});

test("reasons that are rounded to tens open nothing", async () => {
    await mountTask({...DATA, in_tens: true});
    expect(".o_directmail_effectiveness").toHaveText(/rounded down to\s+tens/);
    await contains("td:contains(Opted out)").click();
    expect.verifySteps([]);
});

test("people who may not be seen are in the figures, and their number is told", async () => {
    await mountTask({...DATA, hidden: 1500});
    expect(".o_directmail_hidden").toHaveText(/because you may not see them: 1,500/);
});

test("figures whose people were deleted can't be opened", async () => {
    await mountTask({...DATA, removed: true});
    expect(".o_directmail_effectiveness").toHaveText(/retention period has ended/);
    expect("[data-step=opened]").not.toBeEnabled();
    await contains("td:contains(Opted out)").click();
    expect.verifySteps([]);
});

test("a task that has sent and suppressed nothing shows no results", async () => {
    await mountTask({...DATA, funnel: [step("sent", 0, 0, 0)], reasons: []});
    expect(".o_directmail_effectiveness").toHaveCount(0);
});
