import {Component} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {formatInteger} from "@web/views/fields/formatters";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {formatPercent} from "../percent/percent";

/** The stages of an AIPL model as a funnel: who has come at least so far, and who is in the stage. */
export class AiplFunnel extends Component {
    static template = "email_marketing_dm.AiplFunnel";
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
    }

    /** Stages from the lowest to the highest, with `people` and `reached`: those and all above. */
    get steps() {
        const {records} = this.props.record.data.segment_ids;
        const labels = Object.fromEntries(records[0]?.fields.stage.selection || []);
        const steps = records.map(({resId, data}) => ({
            id: resId,
            label: labels[data.stage],
            people: data.people,
        }));
        let reached = 0;
        for (const step of [...steps].reverse()) {
            reached += step.people;
            step.reached = reached;
        }
        steps.forEach((step, number) => {
            const before = steps[number - 1];
            step.share = before?.reached ? step.reached / before.reached : null;
        });
        return steps;
    }

    get isEmpty() {
        return !this.steps.some((step) => step.people);
    }

    width(people) {
        return (100 * people) / this.steps[0].reached;
    }

    format(people) {
        return formatInteger(people);
    }

    formatPercent(share) {
        return formatPercent(share);
    }

    help({label, people, reached}) {
        return _t(
            "%(stage)s: %(people)s people are in it, %(reached)s in it or further",
            {
                stage: label,
                people: formatInteger(people),
                reached: formatInteger(reached),
            }
        );
    }

    async open(step) {
        const action = await this.orm.call(
            "directmail.aipl.segment",
            "action_view_people",
            [[step.id]]
        );
        await this.action.doAction(action);
    }
}

registry
    .category("view_widgets")
    .add("directmail_aipl_funnel", {component: AiplFunnel});
