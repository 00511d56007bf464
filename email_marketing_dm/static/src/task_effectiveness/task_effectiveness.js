import {deserializeDateTime, toLocaleDateTimeString} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {user} from "@web/core/user";
import {formatInteger} from "@web/views/fields/formatters";
import {formatPercent} from "../percent/percent";
import {TaskFigures} from "../task_figures/task_figures";

const HOURS_SHOWN = 72;

/** Results of an email task: the funnel, when people reacted, links, and what went wrong. */
export class TaskEffectiveness extends TaskFigures {
    static template = "email_marketing_dm.TaskEffectiveness";
    static method = "get_effectiveness";

    setup() {
        super.setup();
        this.state.machines = false; // whether the figures of machines are shown
    }

    get machineClicks() {
        const {totals} = this.state.data;
        return totals.machine_opens + totals.machine_clicks;
    }

    get isNoticed() {
        return Object.values(this.state.data.totals).some(Boolean);
    }

    get isSent() {
        return this.state.data?.funnel.find((step) => step.name === "sent")?.count;
    }

    /** Lists beside the funnel that have something in them. */
    get lists() {
        const {reasons, failures, unsubscribes} = this.state.data;
        return [
            {
                part: "failures",
                side: "left",
                title: _t("Reasons for non-delivery"),
                rows: failures,
            },
            {
                part: "reasons",
                side: "right",
                title: _t("Reasons for suppression"),
                rows: reasons,
            },
            {
                part: "unsubscribes",
                side: "right",
                title: _t("Reasons for unsubscribing"),
                rows: unsubscribes,
            },
        ].filter((list) => list.rows.length);
    }

    count(step) {
        return this.state.machines ? step.any : step.count;
    }

    percent(step) {
        return step.base ? this.count(step) / step.base : 0;
    }

    width(step) {
        const people = this.state.data.funnel[0].count;
        const count = this.count(step);
        return people && count ? Math.max(0.5, (100 * count) / people) : 0;
    }

    help(step) {
        if (!step.base_label) {
            return "";
        }
        return _t("%(count)s of %(base)s (%(label)s)", {
            count: formatInteger(this.count(step)),
            base: formatInteger(step.base),
            label: step.base_label,
        });
    }

    get hiddenText() {
        return _t(
            "People who are included in the figures but not shown in lists, because you may not see them: %s",
            formatInteger(this.state.data.hidden)
        );
    }

    get totalsText() {
        const {opens, clicks, machine_opens, machine_clicks} = this.state.data.totals;
        return _t(
            "Opens by people: %(opens)s. Clicks by people: %(clicks)s. Opens by machines: %(machineOpens)s. Clicks by machines: %(machineClicks)s.",
            {
                opens: formatInteger(opens),
                clicks: formatInteger(clicks),
                machineOpens: formatInteger(machine_opens),
                machineClicks: formatInteger(machine_clicks),
            }
        );
    }

    format(value) {
        return formatInteger(value);
    }

    formatPercent(value) {
        return formatPercent(value);
    }

    /** The first hours after the mail. */
    drawChart() {
        const hours = this.state.data?.hours.slice(0, HOURS_SHOWN) || [];
        if (!this.canvas.el || !hours.length) {
            return;
        }
        const bars = (name, label, color) => ({
            label,
            data: hours.map((row) => row[name]),
            backgroundColor: color,
            maxBarThickness: 18,
        });
        // eslint-disable-next-line no-undef
        const chart = new Chart(this.canvas.el, {
            type: "bar",
            data: {
                labels: hours.map((row) =>
                    toLocaleDateTimeString(deserializeDateTime(row.hour))
                ),
                datasets: [
                    bars("opened", _t("Opened"), "#e9a23b"),
                    bars("clicked", _t("Clicked"), "#7c5cbf"),
                ],
            },
            options: {
                locale: user.lang,
                maintainAspectRatio: false,
                animation: false,
                scales: {
                    x: {ticks: {maxTicksLimit: 6, maxRotation: 0}},
                    y: {beginAtZero: true, ticks: {precision: 0}},
                },
                plugins: {legend: {position: "bottom"}},
            },
        });
        return () => chart.destroy();
    }

    async openFigure(step) {
        await this.open("action_view_deliveries", [], {figure: step.name});
    }

    /** Whether the people behind a list's rows are listed anywhere. */
    isListed(part) {
        return !(part === "reasons" && this.state.data.in_tens);
    }

    async openPart(part, row) {
        if (!this.isListed(part)) {
            return;
        }
        await this.open("action_view_part", [part, row.value], {});
    }

    async open(method, args, context) {
        if (this.state.data.removed) {
            return;
        }
        const action = await this.orm.call(
            "directmail.task",
            method,
            [[this.props.record.resId], ...args],
            {context}
        );
        await this.action.doAction(action);
    }
}

registry.category("view_widgets").add("directmail_task_effectiveness", {
    component: TaskEffectiveness,
});
