import {describe, expect, test} from "@odoo/hoot";
import {queryAllTexts, queryOne} from "@odoo/hoot-dom";
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
    editable = fields.Selection({
        selection: [
            ["all", "Everything"],
            ["content", "Content only"],
            ["none", "Nothing"],
        ],
    });
    origin_id = fields.Many2one({relation: "directmail.task"});
    own_content = fields.Boolean();
    planned_at = fields.Datetime();
    state = fields.Selection({
        selection: [
            ["draft", "Draft"],
            ["pending", "Pending"],
            ["paused", "Paused"],
        ],
        default: "draft",
    });
    subject = fields.Char();
    template_id = fields.Many2one({relation: "directmail.template"});
    template_state = fields.Selection({
        selection: [
            ["approved", "Approved"],
            ["rejected", "Rejected"],
        ],
    });

    _records = [
        {id: 1, name: "Spring", editable: "all", subject: "Hello"},
        {id: 2, name: "Summer", editable: "none", planned_at: "2026-03-01 10:00:00"},
        {id: 3, name: "Again", editable: "all", subject: "Hello", origin_id: 2},
        {id: 4, name: "Empty", editable: "all"},
        {id: 5, name: "Soon", editable: "all", subject: "Hello", state: "pending"},
        {
            id: 6,
            name: "Paused",
            editable: "content",
            planned_at: "2026-03-01 10:00:00",
            state: "paused",
        },
    ];
}

class Template extends models.Model {
    _name = "directmail.template";

    name = fields.Char();
}

defineMailModels();
defineModels([Task, Template]);
preloadBundle("web.chartjs_lib");

const NONE = {state: "draft", versions: [], curve: []};
const version = (letter, values) => ({
    letter,
    id: letter.charCodeAt(0),
    name: `Letter ${letter}`,
    subject: `Subject ${letter}`,
    preview: "",
    sender_name: "Azure",
    template_id: false,
    template_state: "approved",
    changed: "2026-03-01 09:00:00",
    assigned: 2010,
    mailed: 2000,
    delivered: 1990,
    opened: 400,
    clicked: 50,
    converted: null,
    revenue: 0,
    unknown: [],
    rate: 0.025,
    low: 0.019,
    high: 0.033,
    is_winner: false,
    ...values,
});
const DRAFT = {
    state: "draft",
    criterion: "clicks",
    verdict_at: null,
    winner: null,
    sentence: "",
    advice: "",
    versions: [version("A"), version("B")],
    rest: {people: 0, waiting: 0, sent: 0},
    curve: [],
    currency_id: 1,
};
const WAITING = {
    ...DRAFT,
    state: "waiting",
    verdict_at: "2026-03-02T10:00:00Z",
    sentence: "The test runs.",
    versions: [version("A"), version("B", {rate: 0.04, low: 0.032, high: 0.049})],
    rest: {people: 16000, waiting: 15000, sent: 0},
    curve: [
        {hour: 1, A: 0.01, B: 0.02},
        {hour: 2, A: 0.025, B: 0.04},
    ],
};

/** Open a task with these results of its test; steps tell what is called. */
async function mountTask(data, resId = 1) {
    onRpc("directmail.task", "get_test_results", () => data);
    for (const [model, method] of [
        ["directmail.task", "action_add_version"],
        ["directmail.task", "action_choose_version"],
        ["directmail.task.version", "action_open"],
        ["directmail.task.version", "action_remove"],
    ]) {
        onRpc(model, method, ({args}) => {
            expect.step([method, ...args.flat()].join(" "));
            return method === "action_open" && {type: "ir.actions.act_window"};
        });
    }
    onRpc("directmail.task", "action_view_deliveries", ({kwargs}) => {
        expect.step(`people of ${kwargs.context.version}`);
        return {type: "ir.actions.act_window"};
    });
    mockService("action", {doAction: () => expect.step("opened")});
    await mountView({
        type: "form",
        resModel: "directmail.task",
        resId,
        arch: `<form><widget name="directmail_task_versions"/><field name="subject"/></form>`,
    });
}

const card = (letter) => `.o_directmail_version[data-version=${letter}]`;

test("a mail without a test can be given a version", async () => {
    await mountTask(NONE);
    expect(".o_directmail_versions").toHaveCount(0);
    await contains(".o_directmail_add_version button").click();
    expect.verifySteps(["action_add_version 1"]);
});

test("what was typed is saved before a version is made of it", async () => {
    onRpc("directmail.task", "web_save", ({args}) => {
        expect.step(`saved ${args[1].subject}`);
    });
    await mountTask(NONE);
    await contains("[name=subject] input").edit("Hello, Ada");
    await contains(".o_directmail_add_version button").click();
    expect.verifySteps(["saved Hello, Ada", "action_add_version 1"]);
});

test("follow-ups, tasks that were sent or wait for their time, and tasks without a mail offer no version", async () => {
    for (const id of [2, 3, 4, 5]) {
        await mountTask(NONE, id);
        expect(".o_directmail_add_version").toHaveCount(0);
    }
});

test("before sending, each version shows its mail and its review", async () => {
    await mountTask({
        ...DRAFT,
        versions: [
            version("A"),
            version("B", {
                subject: "Hello {{ object.name ||| friend }}",
                preview: "News",
            }),
        ],
    });
    expect(`${card("A")} .o_directmail_version_subject`).toHaveText("Subject A");
    expect(`${card("B")} .o_directmail_version_subject`).toHaveText("Hello friend");
    expect(`${card("B")} .o_directmail_version_preview`).toHaveText("News");
    expect(`${card("B")} .o_directmail_version_state`).toHaveText("Approved");
    expect(".o_directmail_rate, dl").toHaveCount(0);
});

test("a version shows its mail, which can't run scripts", async () => {
    expect.errors(1);
    await mountTask({...DRAFT, versions: [version("A", {template_id: 7})]});
    // Hoot looks into each frame. It can't here, because the mail is in a sandbox.
    await expect.waitForErrors([/cross-origin frame/]);
    // Odoo's test setup renames the attribute, so that nothing is fetched.
    expect(`${card("A")} iframe`).toHaveAttribute(
        "data-src",
        "/directmail/thumbnail/template/7?unique=2026-03-01%2009%3A00%3A00"
    );
    expect(`${card("A")} iframe`).toHaveAttribute("sandbox", "");
});

test("with more than two versions, the test goes on without one of them", async () => {
    await mountTask({...DRAFT, versions: [..."ABC"].map((one) => version(one))});
    await contains(`${card("A")} button:contains(Remove)`).click();
    expect(".modal-body").toHaveText("The A/B test goes on with the other versions.");
    await contains(".modal-footer .btn-primary").click();
    expect.verifySteps(["action_remove 65"]);
});

test("a version is added, changed and removed", async () => {
    await mountTask(DRAFT);
    await contains(".o_directmail_version_new button").click();
    expect.verifySteps(["action_add_version 1"]);
    await contains(`${card("B")} button:contains(Change)`).click();
    expect.verifySteps(["action_open 66", "opened"]);
    await contains(`${card("B")} button:contains(Remove)`).click();
    expect(".modal-body").toHaveText(/everybody gets version A\./);
    await contains(".modal-footer .btn-primary").click();
    expect.verifySteps(["action_remove 66"]);
});

test("five versions are the most", async () => {
    await mountTask({...DRAFT, versions: [..."ABCDE"].map((one) => version(one))});
    expect(".o_directmail_version").toHaveCount(5);
    expect(".o_directmail_version_new").toHaveCount(0);
});

test("of a rejected version, the owner decides", async () => {
    await mountTask({
        ...DRAFT,
        versions: [version("A"), version("B", {template_state: "rejected"})],
    });
    expect(".alert-danger").toHaveText(/rejected version B/);
    await contains("button:contains(Correct it)").click();
    expect.verifySteps(["action_open 66", "opened"]);
    await contains("button:contains(Go on without version B)").click();
    expect.verifySteps(["action_remove 66"]);
});

test("rates and their ranges are drawn on one scale", async () => {
    await mountTask(WAITING, 2);
    expect(queryAllTexts(".o_directmail_rate_value")).toEqual(["2.5%", "4.0%"]);
    expect(queryAllTexts(".o_directmail_rate_text")).toEqual([
        "1.9% to 3.3%",
        "3.2% to 4.9%",
    ]);
    const places = ["A", "B"].map((letter) => {
        const {left, width} = queryOne(
            `.o_directmail_rate[data-version=${letter}] .o_directmail_rate_range`
        ).style;
        return [left, width].map((value) => Math.round(parseFloat(value)));
    });
    expect(places).toEqual([
        [37, 27],
        [62, 33],
    ]);
    expect(`${card("A")} [data-figure=assigned]`).toHaveText("2,010");
    expect(`${card("A")} [data-figure=mailed]`).toHaveText("2,000");
    expect(`${card("A")} [data-figure=converted]`).toHaveCount(0);
});

test("a version without mails has no rate yet", async () => {
    const none = {mailed: 0, rate: null, low: null, high: null};
    await mountTask({...WAITING, versions: [version("A"), version("B", none)]}, 2);
    expect(queryAllTexts(".o_directmail_rate_value")).toEqual(["2.5%"]);
});

test("before the first results nothing looks like a result", async () => {
    const unknown = {
        rate: null,
        low: null,
        high: null,
        delivered: 0,
        opened: 0,
        clicked: 0,
        unknown: ["delivered", "opened", "clicked", "converted"],
    };
    const both = [version("A", unknown), version("B", unknown)];
    await mountTask({...WAITING, versions: both, curve: []}, 2);
    expect(".o_directmail_rate").toHaveCount(0);
    expect(`${card("A")} [data-figure=mailed]`).toHaveText("2,000");
    for (const name of ["delivered", "opened", "clicked"]) {
        expect(`${card("A")} [data-figure=${name}]`).toHaveText("not known yet");
    }
});

test("a version of a paused test is changed after a warning", async () => {
    await mountTask(WAITING, 2);
    expect(`${card("B")} button:contains(Change)`).toHaveCount(0);
    await mountTask(WAITING, 6);
    await contains(`${card("B")} button:contains(Change):last`).click();
    expect(".modal-body").toHaveText(
        /version B that were sent: 2,000\. .* sends no version to the rest by itself/
    );
    expect.verifySteps([]);
    await contains(".modal-footer .btn-primary").click();
    expect.verifySteps(["action_open 66", "opened"]);
});

test("the curve has a line for each version", async () => {
    await mountTask(WAITING, 2);
    const chart = window.Chart.getChart(queryOne("canvas"));
    expect(chart.data.datasets.map(({label, data}) => [label, ...data])).toEqual([
        ["Version A", 0, 0.01, 0.025],
        ["Version B", 0, 0.02, 0.04],
    ]);
});

test("the time of the decision is in the reader's time zone, and says so", async () => {
    await mountTask(WAITING, 2);
    expect(".o_directmail_decision").toHaveText(
        /^Decision: .*Mar.* 2026.*, in your time zone \(.+\)\.$/
    );
    expect(".o_directmail_rest").toHaveText(
        "People outside of the test group: 16,000. Waiting: 15,000. Sent: 0."
    );
});

test("a version is chosen by hand, after a confirmation", async () => {
    await mountTask(WAITING, 2);
    await contains(`${card("B")} button:contains(Choose this version)`).click();
    expect(".modal-body").toHaveText(/get version B: 15,000\./);
    expect.verifySteps([]);
    await contains(".modal-footer .btn-primary").click();
    expect.verifySteps(["action_choose_version 2 B"]);
});

test("the winner is named, and can't be chosen again", async () => {
    const [first, second] = WAITING.versions;
    await mountTask(
        {
            ...WAITING,
            state: "decided",
            winner: "B",
            winner_by: "test",
            sentence: "B is better.",
            advice: "Everybody else gets it.",
            versions: [first, {...second, is_winner: true}],
        },
        2
    );
    expect(".o_directmail_verdict").toHaveText(
        /B is better\.\s*Everybody else gets it\./
    );
    expect(".o_directmail_verdict").toHaveClass("alert-success");
    expect(`${card("B")} .badge`).toHaveText("Winner");
    expect("button:contains(Choose this version)").toHaveCount(0);
});

test("a version that the rest gets without a visible difference is no winner", async () => {
    const decided = {
        ...WAITING,
        state: "decided",
        winner: "A",
        sentence: "No difference.",
    };
    await mountTask({...decided, winner_by: "policy"}, 2);
    expect(".o_directmail_verdict").toHaveClass("alert-info");
    expect(`${card("A")} .badge`).toHaveText("Sent to the rest");
    expect(`${card("B")} .badge`).toHaveCount(0);
});

test("a version that a user chose is no winner", async () => {
    const decided = {
        ...WAITING,
        state: "decided",
        winner: "B",
        sentence: "Mei chose B.",
    };
    await mountTask({...decided, winner_by: "hand"}, 2);
    expect(".o_directmail_verdict").toHaveClass("alert-info");
    expect(`${card("B")} .badge`).toHaveText("Chosen");
});

test("a click on People opens those of the version", async () => {
    await mountTask(WAITING, 2);
    await contains(`${card("B")} button:contains(People)`).click();
    expect.verifySteps(["people of B", "opened"]);
});

test("revenue is shown as money", async () => {
    const values = {rate: 1.5, low: null, high: null, revenue: 3000};
    await mountTask(
        {
            ...WAITING,
            criterion: "revenue",
            versions: [version("A", values), version("B", values)],
        },
        2
    );
    expect(queryAllTexts(".o_directmail_rate_value")).toEqual(["$ 1.50", "$ 1.50"]);
    expect(".o_directmail_rate_text, .o_directmail_rate_range").toHaveCount(0);
    expect(`${card("A")} [data-figure=revenue]`).toHaveText("$ 3,000.00");
});
