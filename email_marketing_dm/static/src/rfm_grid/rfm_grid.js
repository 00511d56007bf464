import {Component, onWillStart, onWillUpdateProps, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {formatInteger, formatMonetary} from "@web/views/fields/formatters";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

const SCORES = [3, 2, 1];
// The cell with the most people or the highest amount is not darker than letters on it can bear.
const DARKEST = 0.5;

/** The customers of an RFM model by their three scores: a table of recency and frequency for each amount. */
export class RfmGrid extends Component {
    static template = "email_marketing_dm.RfmGrid";
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({data: null, chosen: null});
        this.scores = SCORES;
        onWillStart(() => this.load(this.props.record));
        onWillUpdateProps((props) => this.load(props.record));
    }

    async load({resId}) {
        this.state.data = resId
            ? await this.orm.silent.call("directmail.rfm.model", "get_grid", [[resId]])
            : null;
        this.state.chosen = null;
    }

    cell(r, f, m) {
        const found = this.state.data.cells.find(
            (cell) => cell.r === r && cell.f === f && cell.m === m
        );
        return found || {r, f, m, people: 0, amount: 0};
    }

    shade({people}) {
        const most = Math.max(...this.state.data.cells.map((cell) => cell.people));
        return people ? 0.08 + ((DARKEST - 0.08) * people) / most : 0;
    }

    format(people) {
        return formatInteger(people);
    }

    formatAmount({amount}) {
        return formatMonetary(amount, {
            currencyId: this.state.data.currency_id,
            digits: [16, 0],
        });
    }

    title(m) {
        return _t("Amount %s", m);
    }

    recency(score) {
        return _t("Recency %s", score);
    }

    frequency(score) {
        return _t("Frequency %s", score);
    }

    describe(cell) {
        return _t(
            "Recency %(r)s, frequency %(f)s, amount %(m)s: %(people)s customers, %(amount)s",
            {
                ...cell,
                people: formatInteger(cell.people),
                amount: this.formatAmount(cell),
            }
        );
    }

    isChosen({r, f, m}) {
        const {chosen} = this.state;
        return Boolean(chosen) && chosen.r === r && chosen.f === f && chosen.m === m;
    }

    choose(cell) {
        this.state.chosen = {...cell};
    }

    async open(method) {
        const {r, f, m} = this.state.chosen;
        const action = await this.orm.call("directmail.rfm.model", method, [
            [this.props.record.resId],
            r,
            f,
            m,
        ]);
        await this.action.doAction(action);
    }
}

registry.category("view_widgets").add("directmail_rfm_grid", {component: RfmGrid});
