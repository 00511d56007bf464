import {describe, expect, test} from "@odoo/hoot";
import {press, queryOne, waitFor} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
    preloadBundle,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {
    getPosition,
    getStep,
    getValue,
    snap,
} from "@email_marketing_dm/rfm_thresholds/threshold_scale";

describe.current.tags("desktop");
preloadBundle("web.chartjs_lib");

class Model extends models.Model {
    _name = "directmail.rfm.model";

    computed_at = fields.Datetime();
    currency_id = fields.Many2one({relation: "res.currency"});
    r_days_3 = fields.Integer();
    r_days_2 = fields.Integer();
    f_count_3 = fields.Integer();
    f_count_2 = fields.Integer();
    m_amount_3 = fields.Monetary({currency_field: "currency_id"});
    m_amount_2 = fields.Monetary({currency_field: "currency_id"});
    r_baseline = fields.Char();
    f_baseline = fields.Char();
    m_baseline = fields.Char();
    r_threshold = fields.Float();
    f_threshold = fields.Float();
    m_threshold = fields.Float();

    _records = [
        {
            id: 1,
            computed_at: "2026-01-01 00:00:00",
            currency_id: 1,
            r_days_3: 30,
            r_days_2: 90,
            f_count_3: 5,
            f_count_2: 2,
            m_amount_3: 1000,
            m_amount_2: 100,
        },
    ];
}

defineMailModels();
defineModels([Model]);

const DATA = {
    people: 60,
    r: {edges: [0, 50, 100, 200, 400], people: [10, 20, 30, 0]},
    f: {edges: [1, 2, 3, 5, 7], people: [40, 10, 5, 5]},
    m: {edges: [0, 100, 1000, 2000, 3000], people: [10, 40, 9, 1]},
};
const ARCH = `<form>
    <field name="r_days_3"/><field name="r_days_2"/>
    <field name="f_count_3"/><field name="f_count_2"/>
    <field name="m_amount_3"/><field name="m_amount_2"/>
    <field name="r_baseline"/><field name="f_baseline"/><field name="m_baseline"/>
    <field name="r_threshold"/><field name="f_threshold"/><field name="m_threshold"/>
    <widget name="directmail_rfm_thresholds"/>
</form>`;

/** Open the form, and return the thresholds of which types were counted. */
async function mountThresholds(data = DATA) {
    const counted = [];
    onRpc("directmail.rfm.model", "get_histograms", () => data);
    onRpc("directmail.rfm.model", "preview_types", ({args}) => {
        const [[id], values] = args;
        expect(id).toBe(1);
        counted.push([values.r_days_3, values.f_count_2, values.m_amount_2]);
        if (values.r_days_3 === 40) {
            return {error: "Not this one."};
        }
        return {
            types: [
                {name: "high_value", label: "High-value", people: 1500, before: 1200},
                {name: "potential", label: "Potential", people: 10, before: 310},
            ],
            scores: {r: [30, 20, 10], f: [40, 10, 10], m: [10, 40, 10]},
            averages: {r: 1.5, f: 2, m: 2.25},
        };
    });
    await mountView({
        type: "form",
        resModel: "directmail.rfm.model",
        resId: 1,
        arch: ARCH,
    });
    return counted;
}

const line = (name) => `.o_directmail_threshold[data-name=${name}]`;

test("positions and values of bars of the same width", () => {
    const {edges} = DATA.r;
    for (const [value, position] of [
        [0, 0],
        [25, 0.125],
        [50, 0.25],
        [300, 0.875],
        [400, 1],
    ]) {
        expect(getPosition(edges, value)).toBe(position);
        expect(getValue(edges, position)).toBe(value);
    }
    expect(getPosition(edges, -5)).toBe(0);
    expect(getPosition(edges, 1e9)).toBe(1);
    expect(getValue(edges, 7)).toBe(400);
    expect(getStep(edges, 1e9, false)).toBe(10);
    expect(getStep([0, 0.5, 1], 0.2, false)).toBe(0.01);
    const limits = {min: 10, max: 300};
    expect(snap(edges, {...limits, whole: true}, 41.7)).toBe(42);
    expect(snap(edges, {...limits, whole: true}, 3)).toBe(10);
    expect(snap(edges, {...limits, whole: false}, 333)).toBe(300);
    expect(snap([0, 0.3, 0.6], {min: 0, max: 1, whole: false}, 0.1234)).toBe(0.12);
});

test("types with and without the unsaved thresholds", async () => {
    const counted = await mountThresholds();
    expect(counted).toEqual([[30, 2, 100]]);
    expect(".o_directmail_histogram canvas").toHaveCount(3);
    expect(".o_directmail_threshold[role=slider][tabindex='0']").toHaveCount(6);
    expect(line("m_amount_3")).toHaveAttribute(
        "aria-valuetext",
        "more than $\u00a01,000"
    );
    expect(line("r_days_2")).toHaveAttribute("aria-label", "Recency: score 2");
    expect(".o_directmail_threshold_types tbody tr:eq(0)").toHaveText(
        /^High-value\s+1,200\s+1,500\s+\+300$/
    );
    expect(".o_directmail_threshold_types tbody tr:eq(1)").toHaveText(
        /^Potential\s+310\s+10\s+-300$/
    );
    expect(".o_directmail_threshold_scores:eq(0)").toHaveText(
        /Score 3: 10\s+Score 2: 20\s+Score 1: 30/
    );
    expect(".o_directmail_threshold_types p").toHaveText(
        "Average scores: Recency 1.50, Frequency 2.00, Amount 2.25"
    );
});

test("keys move a line, but not past the other one; typed numbers count, too", async () => {
    await mountThresholds();
    await contains(line("f_count_2")).focus();
    await press("ArrowRight");
    await waitFor(`${line("f_count_2")}[aria-valuenow='3']`);
    await press("PageUp");
    await waitFor(`${line("f_count_2")}[aria-valuenow='4']`);
    await press("Home");
    await waitFor(`${line("f_count_2")}[aria-valuenow='2']`);
    // Faster than the page is drawn
    for (const key of ["ArrowRight", "ArrowRight"]) {
        queryOne(line("f_count_2")).dispatchEvent(new KeyboardEvent("keydown", {key}));
    }
    await waitFor(`${line("f_count_2")}[aria-valuenow='4']`);
    await press("Home");
    await waitFor(`${line("f_count_2")}[aria-valuenow='2']`);
    expect("[name=f_count_2] input").toHaveValue("2");
    await contains("[name=r_days_3] input").edit("40", {confirm: "tab"});
    await waitFor(".o_directmail_threshold_types .alert:contains(Not this one.)");
    expect(line("r_days_3")).toHaveAttribute("aria-valuenow", "40");
});

test("keys move a line over an edge to longer steps, and from beyond the bars", async () => {
    const m = {edges: [0, 150, 200, 300, 3000], people: [1, 1, 1, 1]};
    await mountThresholds({...DATA, m});
    await contains("[name=m_amount_2] input").edit("150", {confirm: "tab"});
    await waitFor(`${line("m_amount_2")}[aria-valuenow='150']`);
    await contains(line("m_amount_2")).focus();
    await press("ArrowLeft");
    await waitFor(`${line("m_amount_2")}[aria-valuenow='140']`);
    await contains("[name=m_amount_3] input").edit("9000", {confirm: "tab"});
    await waitFor(`${line("m_amount_3")}[aria-valuenow='9000']`);
    await contains(line("m_amount_3")).focus();
    await press("ArrowRight");
    expect(line("m_amount_3")).toHaveAttribute("aria-valuenow", "9000");
    await press("ArrowLeft");
    await waitFor(`${line("m_amount_3")}[aria-valuenow='8900']`);
});

test("a line follows the pointer, and the field gets its value", async () => {
    const counted = await mountThresholds();
    const histogram = ".o_directmail_histogram:eq(2)";
    const {width} = queryOne(histogram).getBoundingClientRect();
    const drag = await contains(line("m_amount_2")).drag();
    // Within the second of four bars, which is from 100 to 1,000
    await drag.moveTo(histogram, {position: {x: width / 3, y: 20}, relative: true});
    await waitFor(`${line("m_amount_2")}:not([aria-valuenow='100'])`);
    const value = Number(queryOne(line("m_amount_2")).getAttribute("aria-valuenow"));
    expect(value).toBeWithin(300, 500);
    expect(value % 10).toBe(0);
    expect("[name=m_amount_2] input").toHaveValue("100.00");
    expect(counted.at(-1)).toEqual([30, 2, value]);
    await drag.drop();
    await waitFor(".o_form_status_indicator_buttons:not(.invisible)");
    expect("[name=m_amount_2] input").toHaveValue(`${value}.00`);
});

test("without customers there is nothing to move", async () => {
    const counted = await mountThresholds({people: 0});
    expect(".o_directmail_thresholds_none").toHaveCount(1);
    expect(".o_directmail_threshold").toHaveCount(0);
    expect(counted).toEqual([]);
});
