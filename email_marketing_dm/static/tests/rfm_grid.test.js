import {describe, expect, test} from "@odoo/hoot";
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

describe.current.tags("desktop");

class Model extends models.Model {
    _name = "directmail.rfm.model";

    name = fields.Char();

    _records = [{id: 1, name: "Customers"}];
}

defineMailModels();
defineModels([Model]);

const CELLS = [
    {r: 3, f: 3, m: 3, people: 1200, amount: 98765.4},
    {r: 1, f: 2, m: 1, people: 5, amount: 20},
];

async function mountGrid(cells) {
    onRpc("directmail.rfm.model", "get_grid", () => ({currency_id: 1, cells}));
    for (const method of ["action_view_cell", "action_new_audience_of_cell"]) {
        onRpc("directmail.rfm.model", method, ({args}) => {
            expect.step([method, ...args.slice(1)].join(" "));
            return {type: "ir.actions.act_window_close"};
        });
    }
    mockService("action", {doAction: () => {}});
    await mountView({
        type: "form",
        resModel: "directmail.rfm.model",
        resId: 1,
        arch: `<form><widget name="directmail_rfm_grid"/></form>`,
    });
}

test("27 cells, of which those with customers can be chosen", async () => {
    await mountGrid(CELLS);
    expect(".o_directmail_cell").toHaveCount(27);
    expect(".o_directmail_cell:enabled").toHaveCount(2);
    expect(".o_directmail_cell:enabled:eq(0)").toHaveText(/^1,200\s+\$ 98,765$/);
    expect(".o_directmail_cell:enabled:eq(1)").toHaveAttribute(
        "aria-label",
        "Recency 1, frequency 2, amount 1: 5 customers, $\u00a020"
    );
});

test("a cell opens its customers, or an audience of them", async () => {
    await mountGrid(CELLS);
    await contains(".o_directmail_cell:enabled:eq(1)").click();
    expect(".o_directmail_cell.o_chosen").toHaveCount(1);
    await contains("button:contains(People)").click();
    expect.verifySteps(["action_view_cell 1 2 1"]);
    await contains("button:contains(New audience)").click();
    expect.verifySteps(["action_new_audience_of_cell 1 2 1"]);
});

test("without customers there is no grid", async () => {
    await mountGrid([]);
    expect(".o_directmail_grid").toHaveCount(0);
});
