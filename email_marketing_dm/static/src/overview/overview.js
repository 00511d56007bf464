import {Component, onWillStart, useEffect, useRef, useState} from "@odoo/owl";
import {loadBundle} from "@web/core/assets";
import {formatDate, parseDate} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {user} from "@web/core/user";
import {useService} from "@web/core/utils/hooks";
import {Layout} from "@web/search/layout";
import {formatFloat, formatInteger, formatMonetary} from "@web/views/fields/formatters";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {formatPercent} from "../percent/percent";

const COLORS = {
    sent: "#9aa5b1",
    delivered: "#2a9d8f",
    opened: "#e9a23b",
    clicked: "#7c5cbf",
};

/** Results of the email tasks of a period: figures, trend, latest tasks, health of the senders. */
export class DirectmailOverview extends Component {
    static template = "email_marketing_dm.Overview";
    static components = {Layout};
    static props = {...standardActionServiceProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.canvas = useRef("canvas");
        this.state = useState({days: 30, data: null});
        this.display = {controlPanel: {}};
        this.periods = [
            {days: 7, label: _t("7 days")},
            {days: 30, label: _t("30 days")},
            {days: 90, label: _t("90 days")},
            {days: 365, label: _t("1 year")},
        ];
        onWillStart(async () => {
            await Promise.all([loadBundle("web.chartjs_lib"), this.load()]);
        });
        useEffect(
            () => this.drawTrend(),
            () => [this.state.data, this.canvas.el]
        );
    }

    async load() {
        this.state.data = await this.orm.call(
            "directmail.task.report",
            "get_overview",
            [this.state.days]
        );
    }

    async setPeriod(days) {
        this.state.days = days;
        await this.load();
    }

    /** The cards at the top: label, help, value, number, and change since the period before. */
    get cards() {
        const {now, before} = this.state.data;
        const rate = (name, label, help, figure) => ({
            label,
            help,
            value: this.formatRate(now[name]),
            detail: formatInteger(now[figure]),
            change: before.sent_count ? now[name] - before[name] : null,
        });
        return [
            {
                label: _t("Mails sent"),
                help: _t("Mails that DirectMail accepted."),
                value: formatInteger(now.sent_count),
                detail: _t("Email tasks: %s", formatInteger(now.tasks)),
                change: null,
            },
            rate(
                "delivery_rate",
                _t("Delivered"),
                _t("Share of sent mails that were delivered."),
                "delivered_count"
            ),
            rate(
                "open_rate",
                _t("Opened"),
                _t(
                    "Share of delivered mails that people opened. Opens by machines and email tasks that do not record opens are left out."
                ),
                "opened_count"
            ),
            rate(
                "click_rate",
                _t("Clicked"),
                _t(
                    "Share of delivered mails that people clicked in. Clicks by machines and email tasks that do not record clicks are left out."
                ),
                "clicked_count"
            ),
            rate(
                "unsubscribe_rate",
                _t("Unsubscribed"),
                _t("Share of delivered mails whose recipients unsubscribed."),
                "unsubscribed_count"
            ),
            {
                label: _t("Revenue"),
                help: _t("Revenue from the conversions of these email tasks."),
                value: formatMonetary(now.revenue, {
                    currencyId: this.state.data.currency_id,
                }),
                detail: _t("Converted people: %s", formatInteger(now.converted_count)),
                change: null,
            },
        ];
    }

    formatRate(value, digits = 1) {
        return formatPercent(value, digits);
    }

    labelComplaints(row) {
        return _t("Spam: %s", this.formatRate(row.complaint_rate, 2));
    }

    labelBounces(row) {
        return _t("Invalid: %s", this.formatRate(row.bounce_rate));
    }

    formatChange(value) {
        const sign = value > 0 ? "+" : "";
        return `${sign}${formatFloat(value * 100, {digits: [16, 1]})}`;
    }

    formatRevenue(row) {
        return formatMonetary(row.revenue, {currencyId: row.currency_id[0]});
    }

    formatInteger(value) {
        return formatInteger(value);
    }

    drawTrend() {
        if (!this.canvas.el || !this.state.data.trend.length) {
            return;
        }
        const rows = this.state.data.trend;
        const bars = (name, label) => ({
            label,
            data: rows.map((row) => row[`${name}_count`]),
            backgroundColor: COLORS[name],
            maxBarThickness: 24,
        });
        // eslint-disable-next-line no-undef
        const chart = new Chart(this.canvas.el, {
            type: "bar",
            data: {
                labels: rows.map((row) =>
                    formatDate(parseDate(row.date, {format: "yyyy-MM-dd"}))
                ),
                datasets: [
                    bars("sent", _t("Sent")),
                    bars("delivered", _t("Delivered")),
                    bars("opened", _t("Opened")),
                    bars("clicked", _t("Clicked")),
                ],
            },
            options: {
                locale: user.lang,
                maintainAspectRatio: false,
                animation: false,
                interaction: {mode: "index", intersect: false},
                scales: {y: {beginAtZero: true, ticks: {precision: 0}}},
                plugins: {legend: {position: "bottom"}},
            },
        });
        return () => chart.destroy();
    }

    openTask(row) {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "directmail.task",
            res_id: row.task_id[0],
            views: [[false, "form"]],
        });
    }

    openReport() {
        this.action.doAction("email_marketing_dm.directmail_task_report_action");
    }
}

registry.category("actions").add("directmail_overview", DirectmailOverview);
