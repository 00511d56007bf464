import {advanceTime, animationFrame, describe, expect, test} from "@odoo/hoot";
import {
    MockServer,
    defineModels,
    fields,
    makeServerError,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Upload extends models.Model {
    _name = "directmail.upload";

    state = fields.Char();

    _records = [
        {id: 1, state: "running"},
        {id: 2, state: "done"},
    ];
}

defineMailModels();
defineModels([Upload]);

const mountUpload = (resId) =>
    mountView({
        type: "form",
        resModel: "directmail.upload",
        resId,
        arch: `<form>
            <field name="state"/><widget name="directmail_upload_progress"/>
        </form>`,
    });

test("a running upload shows its step, the rows read, and how far that is", async () => {
    let rows = 1200;
    onRpc("directmail.upload", "get_progress", ({args}) => {
        expect.step(`look at ${args[0]}`);
        return {state: "running", step: "Matching the rows", rows, percent: 40};
    });
    await mountUpload(1);
    expect(".o_directmail_upload_progress").toHaveText(/Matching the rows/);
    expect(".o_directmail_upload_progress").toHaveText(/Rows read: 1,200/);
    expect(".progress").toHaveAttribute("aria-valuenow", "40");
    rows = 2500;
    await advanceTime(1500);
    await animationFrame();
    expect(".o_directmail_upload_progress").toHaveText(/Rows read: 2,500/);
    expect.verifySteps(["look at 1", "look at 1"]);
});

test("figures stay while the server is out of reach, and the next look goes on", async () => {
    let looks = 0;
    onRpc("directmail.upload", "get_progress", () => {
        looks++;
        if (looks === 2) {
            throw makeServerError({message: "out of reach"});
        }
        return {state: "running", step: "Matching", rows: looks, percent: 40};
    });
    await mountUpload(1);
    await advanceTime(1500);
    await animationFrame();
    expect(".o_directmail_upload_progress").toHaveText(/Rows read: 1$/);
    await advanceTime(1500);
    await animationFrame();
    expect(".o_directmail_upload_progress").toHaveText(/Rows read: 3$/);
});

test("when an upload has ended, the form is loaded again and no longer asks", async () => {
    onRpc("directmail.upload", "get_progress", () => {
        expect.step("look");
        MockServer.env["directmail.upload"].write([1], {state: "done"});
        return {state: "done", step: "", rows: 3, percent: 100};
    });
    onRpc("directmail.upload", "web_read", () => expect.step("read"));
    await mountUpload(1);
    await animationFrame();
    await advanceTime(10000);
    expect.verifySteps(["read", "look", "read"]);
    expect(".o_directmail_upload_progress").toHaveCount(0);
});

test("the progress disappears when a running upload has ended", async () => {
    let state = "running";
    onRpc("directmail.upload", "get_progress", () => {
        MockServer.env["directmail.upload"].write([1], {state});
        return {state, step: "Reading", rows: 3, percent: 40};
    });
    await mountUpload(1);
    expect(".o_directmail_upload_progress").toHaveCount(1);
    state = "done";
    await advanceTime(1500);
    await animationFrame();
    expect(".o_field_widget[name=state] input").toHaveValue("done");
    expect(".o_directmail_upload_progress").toHaveCount(0);
});

test("an upload that is not running shows no progress", async () => {
    onRpc("directmail.upload", "get_progress", () => expect.step("look"));
    await mountUpload(2);
    await advanceTime(5000);
    expect(".o_directmail_upload_progress").toHaveCount(0);
    expect.verifySteps([]);
});
