import {Component, onWillStart, onWillUpdateProps, useState} from "@odoo/owl";
import {DateTimeInput} from "@web/core/datetime/datetime_input";
import {deserializeDate, formatDate, serializeDate} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {formatInteger} from "@web/views/fields/formatters";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {layOut} from "./flow_layout";

// Each color can be told from its neighbours; names stand beside them.
const COLORS = [
    "#01767c", "#e9a23b", "#7c5cbf", "#3a6a1f", "#b0324a", "#2b6cb0", "#a34e00", "#6b7280",
]; // prettier-ignore
const NONE_COLOR = "#8f8f8f";

/** How people moved between the groups of an RFM or AIPL model, between two days. */
export class PeopleFlow extends Component {
    static template = "email_marketing_dm.PeopleFlow";
    static components = {DateTimeInput};
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({data: null, stayed: false, chosen: null});
        onWillStart(() => this.load(this.props.record));
        onWillUpdateProps((props) => this.reload(props.record));
    }

    /** Show the same days again, and a later computation if the second day was the last one. */
    reload(record) {
        const {since, until, last} = this.state.data || {};
        return record.resId === this.props.record.resId
            ? this.load(record, since, until !== last && until)
            : this.load(record);
    }

    async load(record, since = false, until = false) {
        this.state.data = record.resId
            ? await this.orm.silent.call(record.resModel, "get_flows", [
                  [record.resId],
                  since,
                  until,
              ])
            : null;
        this.state.chosen = null;
    }

    // === WHAT IS SHOWN === //

    get flows() {
        return this.state.data.flows.filter(
            ({before, after}) => this.state.stayed || before !== after
        );
    }

    get picture() {
        const names = this.state.data.groups.map((group) => group.name);
        return layOut(this.flows, [...names, false]);
    }

    get hasStayed() {
        return this.state.data.flows.some(({before, after}) => before === after);
    }

    label(name) {
        const group = this.state.data.groups.find((one) => one.name === name);
        return group ? group.label : _t("Not in the model");
    }

    color(name) {
        const place = this.state.data.groups.findIndex((one) => one.name === name);
        return place < 0 ? NONE_COLOR : COLORS[place % COLORS.length];
    }

    describe(flow) {
        return _t("%(before)s to %(after)s: %(people)s", {
            before: this.label(flow.before),
            after: this.label(flow.after),
            people: formatInteger(flow.people),
        });
    }

    format(people) {
        return formatInteger(people);
    }

    day(name) {
        return deserializeDate(this.state.data[name]);
    }

    formatDay(name) {
        return formatDate(this.day(name));
    }

    get pictureLabel() {
        return _t("Movement of people from %(since)s to %(until)s", {
            since: this.formatDay("since"),
            until: this.formatDay("until"),
        });
    }

    get knownText() {
        return _t("Movement is known since %s.", this.formatDay("known"));
    }

    // === WHAT CAN BE DONE === //

    async setDay(name, value) {
        if (value) {
            const {since, until} = {...this.state.data, [name]: serializeDate(value)};
            await this.load(this.props.record, since, until);
        }
    }

    isChosen({before, after}) {
        const {chosen} = this.state;
        return Boolean(chosen) && chosen.before === before && chosen.after === after;
    }

    choose(flow) {
        this.state.chosen = {...flow};
    }

    onKeydown(event, flow) {
        if (["Enter", " "].includes(event.key)) {
            event.preventDefault();
            this.choose(flow);
        }
    }

    async open(method, {before, after}) {
        const {since, until} = this.state.data;
        const {resId, resModel} = this.props.record;
        const action = await this.orm.call(resModel, method, [
            [resId],
            before,
            after,
            since,
            until,
        ]);
        await this.action.doAction(action);
    }

    openPeople(flow) {
        return this.open("action_view_flow", flow);
    }

    openAudience(flow) {
        return this.open("action_new_audience_of_flow", flow);
    }

    openSeries(flow) {
        return this.open("action_series_of_flow", flow);
    }
}

registry.category("view_widgets").add("directmail_people_flow", {
    component: PeopleFlow,
});
