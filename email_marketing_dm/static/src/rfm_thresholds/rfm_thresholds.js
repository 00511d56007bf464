import {Component, onWillStart, useState} from "@odoo/owl";
import {loadBundle} from "@web/core/assets";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {useRecordObserver} from "@web/model/relational_model/utils";
import {formatFloat, formatInteger, formatMonetary} from "@web/views/fields/formatters";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {getStep} from "./threshold_scale";
import {ThresholdHistogram} from "./threshold_histogram";

// `lines`: fields of the thresholds from left to right, and the score that begins there.
const MEASURES = {
    r: {whole: true, least: 0, lines: {r_days_3: 3, r_days_2: 2}},
    f: {whole: true, least: 2, lines: {f_count_2: 2, f_count_3: 3}},
    m: {whole: false, least: -Infinity, lines: {m_amount_2: 2, m_amount_3: 3}},
};
const FIELDS = Object.entries(MEASURES).flatMap(([measure, {lines}]) => [
    ...Object.keys(lines),
    `${measure}_baseline`,
    `${measure}_threshold`,
]);

/** The customers of an RFM model by each measure, and their types with thresholds not yet saved. */
export class RfmThresholds extends Component {
    static template = "email_marketing_dm.RfmThresholds";
    static components = {ThresholdHistogram};
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.state = useState({data: null, values: {}, moved: {}, told: null});
        this.titles = {
            r: _t("Recency: days since the last purchase"),
            f: _t("Frequency: purchases"),
            m: _t("Monetary: amount"),
        };
        this.names = {r: _t("Recency"), f: _t("Frequency"), m: _t("Amount")};
        onWillStart(() => loadBundle("web.chartjs_lib"));
        useRecordObserver((record) => this.observe(record));
    }

    /** Everything that is read of the record before the first `await` is observed. */
    async observe({resId, data}) {
        this.state.values = Object.fromEntries(
            FIELDS.map((name) => [name, data[name]])
        );
        this.resId = resId;
        const computation = `${resId} ${data.computed_at}`;
        if (computation !== this.computation) {
            this.computation = computation;
            this.state.data = resId ? await this.call("get_histograms") : null;
        }
        await this.count();
    }

    call(method, ...args) {
        return this.orm.silent.call("directmail.rfm.model", method, [
            [this.resId],
            ...args,
        ]);
    }

    /** One count at a time: while it runs, only the latest of further thresholds wait. */
    async count() {
        this.isOutdated = true;
        if (this.isCounting || !this.state.data?.people) {
            return;
        }
        this.isCounting = true;
        try {
            while (this.isOutdated) {
                this.isOutdated = false;
                this.state.told = await this.call("preview_types", this.values);
            }
        } finally {
            this.isCounting = false;
        }
    }

    // === WHAT IS SHOWN === //

    get values() {
        return {...this.state.values, ...this.state.moved};
    }

    get measures() {
        return Object.entries(MEASURES).map(([measure, {whole}]) => ({
            name: measure,
            title: this.titles[measure],
            whole,
            ...this.state.data[measure],
            lines: this.getLines(measure),
            getLine: (line) => this.getLines(measure).find(({name}) => name === line),
            scores: this.state.told?.scores?.[measure],
            format: (value) => this.format(measure, value),
            formatShort: (value) => this.formatShort(measure, value),
        }));
    }

    getLines(measure) {
        const {whole, least, lines} = MEASURES[measure];
        const {edges} = this.state.data[measure];
        const [lower, upper] = Object.keys(lines).map((name) => this.values[name]);
        const gap = (value) => getStep(edges, value, whole);
        const limits = [
            [Math.max(least, edges[0]), upper - gap(upper)],
            [lower + gap(lower), edges.at(-1)],
        ];
        return Object.entries(lines).map(([name, score], place) => ({
            name,
            score,
            label: _t("%(measure)s: score %(score)s", {
                measure: this.names[measure],
                score,
            }),
            value: this.values[name],
            // A number that was typed may be beyond the bars.
            min: Math.min(limits[place][0], this.values[name]),
            max: Math.max(...limits[place], this.values[name]),
            text: this.describe(measure, score, this.values[name]),
        }));
    }

    describe(measure, score, value) {
        const text = this.format(measure, value);
        if (measure === "r") {
            return _t("up to %s days ago", text);
        }
        return measure === "m" && score === 3
            ? _t("more than %s", text)
            : _t("%s or more", text);
    }

    format(measure, value) {
        return measure === "m"
            ? formatMonetary(value, {currencyId: this.currencyId, trailingZeros: false})
            : formatInteger(value);
    }

    /** As short as can be, for the axis: 1.5k. */
    formatShort(measure, value) {
        if (measure !== "m") {
            return formatInteger(value);
        }
        const size = Math.abs(value);
        const unit = size < 1 ? 1 : 1000 ** Math.floor(Math.log10(size) / 3);
        const decimals = size >= 1000 ? 1 : 2;
        return formatMonetary(value, {
            currencyId: this.currencyId,
            humanReadable: true,
            digits: [16, value % unit ? decimals : 0],
        });
    }

    get currencyId() {
        return this.props.record.data.currency_id?.id;
    }

    get types() {
        return this.state.told.types.map((type) => ({
            ...type,
            change: type.people - type.before,
        }));
    }

    formatPeople(people) {
        return formatInteger(people);
    }

    formatChange(change) {
        return change > 0 ? `+${formatInteger(change)}` : formatInteger(change);
    }

    get averagesText() {
        const averages = Object.entries(this.state.told.averages).map(
            ([measure, value]) =>
                `${this.names[measure]} ${formatFloat(value, {digits: [3, 2]})}`
        );
        return _t("Average scores: %s", averages.join(", "));
    }

    // === MOVING LINES === //

    move(name, value) {
        this.state.moved = {...this.state.moved, [name]: value};
        this.count();
    }

    async moved() {
        const moved = {...this.state.moved};
        await this.props.record.update(moved);
        // The record is observed from the next frame on; keys may be pressed before.
        this.state.values = {...this.state.values, ...moved};
        this.state.moved = Object.fromEntries(
            Object.entries(this.state.moved).filter(
                ([name, value]) => value !== moved[name]
            )
        );
    }
}

registry.category("view_widgets").add("directmail_rfm_thresholds", {
    component: RfmThresholds,
    fieldDependencies: [
        {name: "computed_at", type: "datetime"},
        {name: "currency_id", type: "many2one", relation: "res.currency"},
    ],
});
