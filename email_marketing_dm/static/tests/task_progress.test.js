import {
    advanceTime,
    animationFrame,
    describe,
    expect,
    freezeTime,
    test,
} from "@odoo/hoot";
import {
    contains,
    defineModels,
    fields,
    mockService,
    models,
    mountView,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {user} from "@web/core/user";

describe.current.tags("desktop");

class Task extends models.Model {
    _name = "directmail.task";

    state = fields.Char();

    _records = [{id: 1, state: "sending"}];
}

defineMailModels();
defineModels([Task]);

const PROGRESS = {
    state: "sending",
    waiting_for: false,
    people: 8000,
    to_mail: 7500,
    to_mail_text: false,
    progress: 33,
    told_in_tens: false,
    counts: [
        {name: "waiting", label: "Waiting", value: 5000, text: false},
        {name: "delivered", label: "Delivered", value: 2493, text: false},
        {name: "failed", label: "Failed", value: 7, text: false},
    ],
};

/** Open a task whose progress, at each look, is what `getProgress` returns. */
async function mountTask(getProgress) {
    onRpc("directmail.task", "get_progress", getProgress);
    await mountView({
        type: "form",
        resModel: "directmail.task",
        resId: 1,
        arch: `<form>
            <field name="state"/><widget name="directmail_task_progress"/>
        </form>`,
    });
}

async function waitMs(milliseconds) {
    await advanceTime(milliseconds);
    await animationFrame();
}

test("a task shows full percents, its people and its figures", async () => {
    await mountTask(() => PROGRESS);
    expect(".o_directmail_summary").toHaveText("Progress: 33%. People to mail: 7,500");
    expect(".progress").toHaveAttribute("aria-valuenow", "33");
    expect("[data-figure=waiting]").toHaveText(/5,000\s*Waiting/);
    expect("[data-figure=delivered]").toHaveClass("text-success");
    expect("[data-figure=failed]").toHaveClass("text-danger");
});

test("the percentage is written as in the user's language", async () => {
    patchWithCleanup(user, {
        get lang() {
            return "de-DE";
        },
    });
    await mountTask(() => PROGRESS);
    expect(".o_directmail_summary").toHaveText(/Progress: 33\s%\. People/);
});

test("while mails go out, the figures follow and the pace is shown", async () => {
    freezeTime(); // the pace is measured
    let waiting = 5000;
    await mountTask(() => ({
        ...PROGRESS,
        counts: [{...PROGRESS.counts[0], value: waiting}],
    }));
    expect(".o_directmail_pace").toHaveText("");
    waiting = 4960;
    await waitMs(2000);
    expect("[data-figure=waiting] b").toHaveText("4,960");
    expect(".o_directmail_pace").toHaveText(
        "20 mails per second, about 5 minutes left"
    );
});

test("nobody says how long it takes while others wait for a decision", async () => {
    freezeTime();
    let waiting = 5000;
    await mountTask(() => ({
        ...PROGRESS,
        rest_waits: true,
        counts: [{...PROGRESS.counts[0], value: waiting}],
    }));
    waiting = 4960;
    await waitMs(2000);
    expect(".o_directmail_pace").toHaveText("20 mails per second");
});

test("a paused task has no pace", async () => {
    let waiting = 5000;
    await mountTask(() => ({
        ...PROGRESS,
        state: "paused",
        counts: [{...PROGRESS.counts[0], value: waiting}],
    }));
    waiting = 4960;
    await waitMs(10000);
    expect("[data-figure=waiting] b").toHaveText("4,960");
    expect(".o_directmail_pace").toHaveText("");
});

test("a task that ends loads its form again, so that the buttons fit", async () => {
    let state = "sending";
    onRpc("directmail.task", "web_read", () => expect.step("form loaded"));
    await mountTask(() => ({...PROGRESS, state}));
    expect.verifySteps(["form loaded"]);
    await waitMs(2000);
    expect.verifySteps([]);
    state = "done";
    await waitMs(2000);
    expect.verifySteps(["form loaded"]);
});

test("what is typed into the form is not lost when the task changes its state", async () => {
    let state = "sending";
    await mountTask(() => ({...PROGRESS, state}));
    await contains("[name=state] input").edit("typed");
    state = "done";
    await waitMs(2000);
    expect("[name=state] input").toHaveValue("typed");
});

test("a click on a figure opens its people", async () => {
    onRpc("directmail.task", "action_view_deliveries", ({args, kwargs}) => {
        expect.step(`people of ${args[0]}: ${kwargs.context.figure}`);
        return {type: "ir.actions.act_window", name: "People"};
    });
    mockService("action", {doAction: ({name}) => expect.step(name)});
    await mountTask(() => PROGRESS);
    await contains("[data-figure=failed]").click();
    expect.verifySteps(["people of 1: failed", "People"]);
});

test("a task that waits says what it waits for", async () => {
    await mountTask(() => ({
        ...PROGRESS,
        state: "pending",
        people: 0,
        to_mail: 0,
        waiting_for: "Waiting for the review of the template.",
    }));
    expect(".alert-info").toHaveText("Waiting for the review of the template.");
    expect(".o_directmail_progress").toHaveCount(0);
});

test("rounded figures are in words, and too few people have no bar", async () => {
    await mountTask(() => ({
        ...PROGRESS,
        told_in_tens: true,
        to_mail_text: "",
        counts: [{name: "waiting", label: "Waiting", value: 0, text: "fewer than 10"}],
    }));
    expect(".o_directmail_progress .progress").toHaveCount(0);
    expect("[data-figure=waiting] b").toHaveText("fewer than 10");
    expect(".o_directmail_tens").toHaveText(/rounded down to tens/);
});
