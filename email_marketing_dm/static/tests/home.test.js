import {describe, expect, test} from "@odoo/hoot";
import {
    contains,
    getService,
    mockService,
    mountWithCleanup,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {WebClient} from "@web/webclient/webclient";

describe.current.tags("desktop");
defineMailModels();

const EMPTY = {rows: [], links: []};
const step = (name, state, action = false) => ({
    name,
    title: name,
    state,
    text: `About ${name}`,
    label: action && `Go to ${name}`,
    action,
});
const row = (values) => ({
    model: "directmail.task",
    id: 7,
    name: "Spring",
    level: "danger",
    label: "Failed",
    text: "Nobody is in the audience.",
    progress: false,
    ...values,
});
const DATA = {
    steps: [],
    trial: false,
    notice: "",
    attention: EMPTY,
    progress: EMPTY,
    health: EMPTY,
    results: [],
};

/** Open Home; steps tell what is opened from there. */
async function mountHome(data) {
    onRpc("directmail.home", "get_home", () => ({...DATA, ...data}));
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "directmail_home",
    });
    mockService("action", {
        doAction: (action) =>
            expect.step(
                typeof action === "string"
                    ? action
                    : `${action.res_model} ${action.res_id || ""}`
            ),
    });
}

test("the steps show their states, and one button leads to what is next", async () => {
    await mountHome({
        steps: [
            step("connect", "done"),
            step("people", "now", {res_model: "directmail.audience"}),
            step("design", "later"),
        ],
    });
    expect("li[data-step]").toHaveCount(3);
    expect("li[data-step='connect'] .fa-check").toHaveCount(1);
    expect("li[data-step='people']").toHaveText(/Next/);
    expect("li[data-step='people']").toHaveText(/About people/);
    expect("li[data-step='design'] .badge").toHaveText("3");
    expect("[aria-current='step']").toHaveCount(1);
    expect("li button").toHaveCount(1);
    await contains("li button").click();
    expect.verifySteps(["directmail.audience "]);
});

test("a step that waits for somebody shows a clock", async () => {
    await mountHome({steps: [step("connect", "waiting")]});
    expect("li[data-step='connect'] .fa-clock-o").toHaveCount(1);
    expect("li button").toHaveCount(0);
});

test("empty sections are hidden beside the steps, and have a sentence later", async () => {
    await mountHome({steps: [step("connect", "now")]});
    expect("section").toHaveCount(0);
});

test("without steps, empty sections say so", async () => {
    await mountHome({});
    expect("section[data-section='attention']").toHaveText(/Nothing needs/);
    expect("section[data-section='progress']").toHaveText(/No email task/);
    expect("section[data-section='health']").toHaveCount(0);
    expect("section[data-section='results']").toHaveCount(0);
    expect(".alert").toHaveCount(0);
    await contains("button:contains(New email task)").click();
    expect.verifySteps(["directmail.task "]);
});

test("a row opens its record, and a link all of them", async () => {
    const link = {label: "All failed", action: {res_model: "directmail.task"}};
    await mountHome({attention: {rows: [row()], links: [link]}});
    expect("section[data-section='attention']").toHaveText(/Nobody is in the audience/);
    expect("section .badge").toHaveText("Failed");
    expect("section .badge").toHaveClass("text-bg-danger");
    await contains("section .list-group-item").click();
    expect.verifySteps(["directmail.task 7"]);
    await contains("section button:contains(All failed)").click();
    expect.verifySteps(["directmail.task "]);
});

test("a sending task shows its progress", async () => {
    const sending = row({level: "info", label: "Sending", progress: 42});
    await mountHome({progress: {rows: [sending], links: []}});
    expect("section [role='progressbar']").toHaveAttribute("aria-valuenow", "42");
});

test("results show rates, and a dash for what is not known", async () => {
    const result = {
        id: 9,
        name: "Winter",
        date: "2026-03-01 08:00:00",
        state: "Done",
        sent: 1200,
        delivered: 1188,
        open_rate: 0.25,
        click_rate: false,
    };
    await mountHome({results: [result]});
    const cells = "section[data-section='results'] tbody td";
    expect(`${cells}:eq(1)`).toHaveText("1,200");
    expect(`${cells}:eq(3)`).toHaveText("25.0%");
    expect(`${cells}:eq(4)`).toHaveText("–");
    await contains("section[data-section='results'] tbody a").click();
    expect.verifySteps(["directmail.task 9"]);
    await contains("section button:contains(Overview)").click();
    expect.verifySteps(["email_marketing_dm.directmail_overview_action"]);
});

test("a notice says whom to ask", async () => {
    await mountHome({notice: "Ask Ann."});
    expect(".alert-warning").toHaveText("Ask Ann.");
    expect("button:contains(New email task)").toHaveCount(0);
});

test("a trial has a banner, and one click ends it", async () => {
    onRpc("directmail.account", "action_end_trial", ({args}) => {
        expect.step(`end ${args[0]}`);
        return false;
    });
    const connect = {res_model: "directmail.account"};
    const trial = {id: 3, text: "All is simulated.", may_end: true, connect};
    await mountHome({trial});
    expect("[data-section='trial']").toHaveText(/no mail leaves this server/);
    expect("[data-section='trial']").toHaveText(/All is simulated/);
    await contains("button:contains(Connect DirectMail)").click();
    await contains("button:contains(End the trial)").click();
    expect.verifySteps(["directmail.account ", "end 3"]);
});

test("users can't end a trial", async () => {
    await mountHome({trial: {id: 3, text: "", may_end: false, connect: false}});
    expect("[data-section='trial'] button").toHaveCount(0);
});

test("the first step may have a second button", async () => {
    const connect = step("connect", "now", {res_model: "directmail.account"});
    const other = {label: "Try it out", action: "email_marketing_dm.trial"};
    await mountHome({steps: [{...connect, other}]});
    await contains("li button:contains(Try it out)").click();
    expect.verifySteps(["email_marketing_dm.trial"]);
});

test("templates that need another review are submitted by one button", async () => {
    const reviews = {
        ids: [3, 4],
        templates: [
            {id: 3, name: "Spring"},
            {id: 4, name: "Summer"},
        ],
        more_templates: false,
        tasks: [{id: 9, name: "Sale", state: "Draft"}],
        more_tasks: false,
    };
    onRpc("directmail.template", "action_submit_again", ({args}) => {
        expect.step(`submit ${args[0]}`);
        return true;
    });
    await mountHome({reviews});
    expect("[data-section=reviews]").toHaveText(/Some templates need another review/);
    await contains("[data-section=reviews] button:contains(Sale)").click();
    expect.verifySteps(["directmail.task 9"]);
    await contains("[data-section=reviews] button:contains(Submit again)").click();
    await contains(".modal .btn-primary").click();
    expect.verifySteps(["submit 3,4"]);
});
