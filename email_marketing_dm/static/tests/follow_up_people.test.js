import {describe, expect, test} from "@odoo/hoot";
import {click, waitFor} from "@odoo/hoot-dom";
import {
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Task extends models.Model {
    _name = "directmail.task";

    _records = [{id: 7, display_name: "Spring"}];
}

class FollowUp extends models.Model {
    _name = "directmail.task.follow.up";

    task_id = fields.Many2one({relation: "directmail.task"});
    people = fields.Selection({
        selection: [
            ["joined", "Joined the audience since"],
            ["not_opened", "Did not open"],
            ["not_clicked", "Did not click"],
            ["failed_temporarily", "Mail failed temporarily"],
        ],
    });

    _records = [{id: 1, task_id: 7}];
}

defineMailModels();
defineModels([Task, FollowUp]);

const ANSWERS = {
    joined: {people: 0, text: "0"},
    not_opened: {error: "Opens were not recorded."},
    not_clicked: {people: 1234, text: "1,234"},
    failed_temporarily: {people: 3, text: "3"},
};

test("numbers stand beside the choices, and the first one with people is chosen", async () => {
    onRpc("directmail.task.follow.up", "count_people", ({args}) => {
        expect(args[0]).toBe(7);
        return ANSWERS[args[1]];
    });
    await mountView({
        type: "form",
        resModel: "directmail.task.follow.up",
        resId: 1,
        arch: `<form>
            <field name="task_id" invisible="1"/>
            <field name="people" widget="directmail_follow_up_people"/>
        </form>`,
    });
    await waitFor("b[data-value=not_clicked]:contains(1,234)");
    expect("b[data-value=joined]").toHaveText("0");
    expect("input[data-value=joined]").not.toBeEnabled();
    expect("input[data-value=not_opened]").not.toBeEnabled();
    expect(".o_radio_item small").toHaveText("Opens were not recorded.");
    await waitFor("b[data-value=failed_temporarily]:contains(3)");
    await waitFor("input[data-value=not_clicked]:checked");
    await click("input[data-value=failed_temporarily]");
    await waitFor("input[data-value=failed_temporarily]:checked");
});
