import {Component, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {useRecordObserver} from "@web/model/relational_model/utils";
import {formatInteger} from "@web/views/fields/formatters";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {formatPercent} from "../percent/percent";
import {makeVenn} from "./venn";

/** Half of the height of the picture of two audiences, in its own units. */
const HALF = 60;

/** What an audience is made of, what sets it apart, and its overlap with another one. */
export class AudiencePicture extends Component {
    static template = "email_marketing_dm.AudiencePicture";
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({composition: null, differences: null, overlap: null});
        this.shown = {};
        useRecordObserver((record) => {
            const chosen = (name) => record.data[name]?.id || false;
            // The page does not wait: each part appears when it has been counted.
            this.load({
                audience: chosen("audience_id"),
                snapshot: chosen("snapshot_id"),
                other: chosen("other_id"),
                otherSnapshot: chosen("other_snapshot_id"),
            });
        });
    }

    async load(shown) {
        const before = this.shown;
        const {audience, snapshot, other, otherSnapshot} = shown;
        const differs = (...names) =>
            names.some((name) => shown[name] !== before[name]);
        if (!audience || !differs(...Object.keys(shown))) {
            return;
        }
        this.shown = shown;
        const ask = async (part, method, args = []) => {
            this.state[part] = null;
            const found = await this.orm.silent.call("directmail.audience", method, [
                [audience],
                ...args,
            ]);
            const same = part === "composition" && this.isSame(shown);
            if (this.shown === shown || same) {
                this.state[part] = found;
            }
        };
        const sides = [other, snapshot, otherSnapshot];
        const asked = [ask("differences", "get_differences", sides)];
        if (differs("audience", "snapshot")) {
            asked.push(ask("composition", "get_composition", [snapshot]));
        }
        this.state.overlap = null;
        if (other) {
            asked.push(ask("overlap", "get_overlap", sides));
        }
        await Promise.all(asked);
    }

    /** Whether the audience and the snapshot of an earlier choice are still chosen. */
    isSame({audience, snapshot}) {
        return this.shown.audience === audience && this.shown.snapshot === snapshot;
    }

    get record() {
        return this.props.record;
    }

    get hasOther() {
        return Boolean(this.record.data.other_id);
    }

    get names() {
        const {audience_id, snapshot_id, other_id, other_snapshot_id} =
            this.record.data;
        return {
            first: (snapshot_id || audience_id)?.display_name,
            second: (other_snapshot_id || other_id)?.display_name,
        };
    }

    get peopleText() {
        const {shown, hidden} = this.state.composition;
        if (!hidden) {
            return _t("People: %s", formatInteger(shown));
        }
        return _t(
            "People in these figures: %(shown)s. Not included, because they are not contacts or you may not see them: %(hidden)s.",
            {shown: formatInteger(shown), hidden: formatInteger(hidden)}
        );
    }

    get differencesText() {
        const {differences, looked} = this.state.differences;
        if (!looked) {
            return _t("There are not enough people to compare.");
        }
        if (!differences.length) {
            return _t(
                "No property of the people differs for certain. Properties compared: %s.",
                formatInteger(looked)
            );
        }
        return _t(
            "The properties that differ most. Each true difference is between the two values given. Because %s properties were compared, these ranges are wider than for a single one: in 95 of 100 such comparisons, all of them are right.",
            formatInteger(looked)
        );
    }

    get otherTitle() {
        return this.hasOther ? this.names.second : _t("All contacts");
    }

    /** The three parts of two audiences, as the picture's legend and its buttons show them. */
    get parts() {
        const {only_a, both, only_b} = this.state.overlap;
        return [
            {name: "only_a", label: _t("Only in %s", this.names.first), count: only_a},
            {name: "both", label: _t("In both"), count: both},
            {name: "only_b", label: _t("Only in %s", this.names.second), count: only_b},
        ];
    }

    get overlapText() {
        return this.parts
            .map(({label, count}) => `${label}: ${formatInteger(count)}`)
            .join(". ");
    }

    get hiddenText() {
        const {hidden_a, hidden_b} = this.state.overlap;
        return _t(
            "Not included, because you may not see them: %(first)s of the first audience and %(second)s of the second.",
            {first: formatInteger(hidden_a), second: formatInteger(hidden_b)}
        );
    }

    get circles() {
        const {only_a, both, only_b} = this.state.overlap;
        const {a, b, distance} = makeVenn(only_a, both, only_b);
        const width = Math.max(a + distance + b, 2 * a, 2 * b);
        const scale = HALF - 2;
        const left = Math.max(a, b - distance);
        return {
            width: scale * width + 4,
            height: 2 * HALF,
            middle: HALF,
            a: {x: 2 + scale * left, radius: scale * a},
            b: {x: 2 + scale * (left + distance), radius: scale * b},
        };
    }

    format(value) {
        return formatInteger(value);
    }

    formatPercent(value) {
        return formatPercent(value);
    }

    formatRange({low, high}) {
        const points = (value) =>
            `${value > 0 ? "+" : "−"}${formatPercent(Math.abs(value))}`;
        return _t("%(low)s to %(high)s", {low: points(low), high: points(high)});
    }

    /** Whether the people behind a row can be listed. */
    isListed(row) {
        return this.state.composition.can_open && row.single;
    }

    async openPeople(trait, row) {
        await this.open("action_view_trait", [
            trait.name,
            row.value,
            this.shown.snapshot,
        ]);
    }

    async makeAudience(trait, value) {
        await this.open("action_new_audience_of_trait", [
            trait,
            value,
            this.shown.snapshot,
        ]);
    }

    async makePart(part) {
        await this.open("action_new_audience_of_part", [
            this.shown.other,
            part,
            this.shown.snapshot,
            this.shown.otherSnapshot,
        ]);
    }

    async open(method, args) {
        const action = await this.orm.call("directmail.audience", method, [
            [this.shown.audience],
            ...args,
        ]);
        await this.action.doAction(action);
    }
}

registry.category("view_widgets").add("directmail_audience_picture", {
    component: AudiencePicture,
    fieldDependencies: [
        {name: "audience_id", type: "many2one", relation: "directmail.audience"},
        {name: "other_id", type: "many2one", relation: "directmail.audience"},
        {
            name: "snapshot_id",
            type: "many2one",
            relation: "directmail.audience.snapshot",
        },
        {
            name: "other_snapshot_id",
            type: "many2one",
            relation: "directmail.audience.snapshot",
        },
    ],
});
