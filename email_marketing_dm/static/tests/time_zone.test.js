import {describe, expect, test} from "@odoo/hoot";
import {mockTimeZone} from "@odoo/hoot-mock";
import {defineModels, fields, models, mountView} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Task extends models.Model {
    _name = "directmail.task";

    scheduled_at = fields.Datetime();

    _records = [{id: 1, scheduled_at: "2026-12-05 08:00:00"}];
}

defineMailModels();
defineModels([Task]);

test("the zone that is named is the one in which times are shown", async () => {
    mockTimeZone("Asia/Singapore");
    await mountView({
        type: "form",
        resModel: "directmail.task",
        resId: 1,
        arch: `<form edit="0">
            <field name="scheduled_at"/><widget name="directmail_time_zone"/>
        </form>`,
    });
    expect("[name=scheduled_at]").toHaveText(/4:00/);
    expect(".o_directmail_time_zone").toHaveText("in your time zone (Asia/Singapore)");
});
