import {describe, expect, test} from "@odoo/hoot";
import {queryOne} from "@odoo/hoot-dom";
import {
    contains,
    getService,
    mockService,
    mountWithCleanup,
    onRpc,
    preloadBundle,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {WebClient} from "@web/webclient/webclient";

describe.current.tags("desktop");
defineMailModels();
preloadBundle("web.chartjs_lib");

const FIGURES = {
    tasks: 2,
    sent_count: 1200,
    delivered_count: 1188,
    opened_count: 300,
    clicked_count: 60,
    unsubscribed_count: 3,
    converted_count: 4,
    revenue: 80,
    delivery_rate: 0.99,
    open_rate: 0.25,
    click_rate: 0.05,
    unsubscribe_rate: 0.0025,
};
const DATA = {
    now: FIGURES,
    before: {...FIGURES, open_rate: 0.2},
    trend: [],
    tasks: [{...FIGURES, id: 5, task_id: [9, "Spring"], currency_id: [1, "USD"]}],
    health: [],
    currency_id: 1,
};

/** Open the overview; steps tell the periods asked for, and what is opened from there. */
async function mountOverview(data) {
    onRpc("directmail.task.report", "get_overview", ({args}) => {
        expect.step(`${args[0]} days`);
        return data;
    });
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "directmail_overview",
    });
    mockService("action", {
        doAction: (action) => expect.step(`open ${action.res_id || action}`),
    });
    expect.verifySteps(["30 days"]);
}

const card = (label) => `.card:has(.small:contains(${label})):has(.fs-2)`;

test("the cards show the figures of the last 30 days", async () => {
    await mountOverview(DATA);
    expect(`${card("Mails sent")} .fs-2`).toHaveText("1,200");
    expect(card("Mails sent")).toHaveText(/Email tasks: 2/);
    expect(`${card("Opened")} .fs-2`).toHaveText("25.0%");
    expect(card("Opened")).toHaveText(/300/);
    expect(`${card("Revenue")} .fs-2`).toHaveText("$ 80.00");
    expect(card("Revenue")).toHaveText(/Converted people: 4/);
});

test("rates are compared with the period before, in percentage points", async () => {
    await mountOverview(DATA);
    expect(`${card("Opened")} .ms-2`).toHaveText("+5.0");
    expect(`${card("Clicked")} .ms-2`).toHaveText("0.0");
});

test("nothing is compared where no mail was sent before", async () => {
    await mountOverview({...DATA, before: {...FIGURES, sent_count: 0}});
    expect(".card .ms-2").toHaveCount(0);
});

test("the results are drawn by the day on which tasks started", async () => {
    const trend = [
        {...FIGURES, date: "2026-03-01"},
        {...FIGURES, date: "2026-03-02", clicked_count: 7},
    ];
    await mountOverview({...DATA, trend});
    const chart = window.Chart.getChart(queryOne("canvas"));
    const bars = chart.data.datasets.map(({label, data}) => [label, ...data]);
    expect(bars).toEqual([
        ["Sent", 1200, 1200],
        ["Delivered", 1188, 1188],
        ["Opened", 300, 300],
        ["Clicked", 60, 7],
    ]);
    expect(chart.data.labels).toEqual(["03/01/2026", "03/02/2026"]);
});

test("a click on another period shows its figures", async () => {
    await mountOverview(DATA);
    await contains("button:contains(7 days)").click();
    expect("button:contains(7 days)").toHaveClass("active");
    expect("button:contains(30 days)").not.toHaveClass("active");
    expect.verifySteps(["7 days"]);
});

test("a click on a task opens it", async () => {
    await mountOverview(DATA);
    await contains("tbody td:contains(Spring)").click();
    expect.verifySteps(["open 9"]);
});

test("Compare all opens the report", async () => {
    await mountOverview(DATA);
    await contains("button:contains(Compare all)").click();
    expect.verifySteps(["open email_marketing_dm.directmail_task_report_action"]);
});

test("the health of a sender address shows its rates, a color and advice", async () => {
    const health = [
        {
            id: 1,
            sender: "news@example.com",
            level: "danger",
            complaint_rate: 0.0031,
            bounce_rate: 0.02,
            advice: "Send to fewer people.",
        },
    ];
    await mountOverview({...DATA, health});
    expect(".badge.text-bg-danger").toHaveText("Spam: 0.31%");
    expect(".badge.border").toHaveText("Invalid: 2.0%");
    expect(".card:has(.badge)").toHaveText(/news@example.com/);
    expect(".card:has(.badge)").toHaveText(/Send to fewer people\./);
});

test("a period without mails shows what to do instead of figures", async () => {
    await mountOverview({...DATA, now: {...FIGURES, tasks: 0}});
    expect(".o_nocontent_help").toHaveText(/Send an email task/);
    expect(".card").toHaveCount(0);
});
