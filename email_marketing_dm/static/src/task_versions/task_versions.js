import {_t} from "@web/core/l10n/translation";
import {ConfirmationDialog} from "@web/core/confirmation_dialog/confirmation_dialog";
import {formatInteger, formatMonetary} from "@web/views/fields/formatters";
import {formatPercent} from "../percent/percent";
import {fillIn} from "../task_inbox/task_inbox";
import {focusField} from "../task_missing/task_missing";
import {TaskFigures} from "../task_figures/task_figures";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {user} from "@web/core/user";

const {DateTime} = luxon;
const MOST_VERSIONS = 5;
// White letters can be read on each of them.
const COLORS = {A: "#01767c", B: "#a34e00", C: "#6b4bb0", D: "#b0324a", E: "#3a6a1f"};
const STATE_COLORS = {
    approved: "text-bg-success",
    in_review: "text-bg-info",
    lapsed: "text-bg-warning",
    rejected: "text-bg-danger",
};

/**
 * The versions of an email task: before sending, what each of them is; afterwards, how many people
 * did what the test is about, and which version was chosen.
 */
export class TaskVersions extends TaskFigures {
    static template = "email_marketing_dm.TaskVersions";
    static method = "get_test_results";

    setup() {
        super.setup();
        this.dialog = useService("dialog");
    }

    get versions() {
        return this.state.data?.versions || [];
    }

    get isDraft() {
        return this.state.data.state === "draft";
    }

    /** Whether versions may be added, changed and removed. */
    get isEditable() {
        const {editable, planned_at} = this.props.record.data;
        return editable !== "none" && !planned_at;
    }

    get mayAdd() {
        const {origin_id, state, subject, template_id} = this.props.record.data;
        return (
            this.isEditable &&
            state !== "pending" &&
            (template_id || subject) &&
            !origin_id &&
            this.versions.length < MOST_VERSIONS
        );
    }

    /** Whether the content of versions may be changed: a paused test may be corrected. */
    get mayChange() {
        return this.isDraft
            ? this.isEditable
            : this.props.record.data.editable !== "none";
    }

    get mayRemove() {
        return this.isEditable && this.isDraft;
    }

    get mayChoose() {
        const {rest, state, winner} = this.state.data;
        return (
            ["running", "waiting", "asked"].includes(state) && !winner && rest.people
        );
    }

    /** Versions that DirectMail has rejected: the test waits until their owner decides. */
    get rejected() {
        return this.isEditable
            ? this.versions.filter((version) => version.template_state === "rejected")
            : [];
    }

    get badge() {
        return {
            draft: {text: _t("Not started"), color: "text-bg-light border"},
            running: {text: _t("Test is running"), color: "text-bg-info"},
            waiting: {text: _t("Waiting for the decision"), color: "text-bg-info"},
            asked: {text: _t("Your decision"), color: "text-bg-warning"},
            decided: {text: _t("Decided"), color: "text-bg-success"},
            stopped: {text: _t("Stopped"), color: "text-bg-secondary"},
        }[this.state.data.state];
    }

    get decisionText() {
        const {state, verdict_at} = this.state.data;
        if (!verdict_at || !["running", "waiting"].includes(state)) {
            return "";
        }
        return _t("Decision: %(time)s, in your time zone (%(zone)s).", {
            time: DateTime.fromISO(verdict_at).toLocaleString(DateTime.DATETIME_MED),
            zone: DateTime.local().zoneName,
        });
    }

    get restText() {
        const {rest} = this.state.data;
        if (this.isDraft || !rest.people) {
            return "";
        }
        return _t(
            "People outside of the test group: %(people)s. Waiting: %(waiting)s. Sent: %(sent)s.",
            {
                people: formatInteger(rest.people),
                waiting: formatInteger(rest.waiting),
                sent: formatInteger(rest.sent),
            }
        );
    }

    get criterionText() {
        return {
            clicks: _t("Clicked"),
            opens: _t("Opened"),
            conversions: _t("Converted"),
            revenue: _t("Revenue per mail"),
        }[this.state.data.criterion];
    }

    get curveText() {
        return {
            clicks: _t("Clicked, by hours since the start"),
            opens: _t("Opened, by hours since the start"),
            conversions: _t("Converted, by hours since the start"),
            revenue: _t("Revenue per mail, by hours since the start"),
        }[this.state.data.criterion];
    }

    get isRevenue() {
        return this.state.data.criterion === "revenue";
    }

    /** Versions whose first mails are out and have results, so that there are rates. */
    get rated() {
        return this.versions.filter(({mailed, rate}) => mailed && rate !== null);
    }

    get hasCurve() {
        return this.state.data.curve.length > 0;
    }

    label(version) {
        return _t("Version %s", version.letter);
    }

    /** What a button does to a version, in words that name it. */
    buttonLabel(name, {letter}) {
        return {
            change: _t("Change version %s", letter),
            choose: _t("Choose version %s", letter),
            drop: _t("Go on without version %s", letter),
            people: _t("People of version %s", letter),
            remove: _t("Remove version %s", letter),
        }[name];
    }

    /** Of the version that the rest gets: whether the test, a user or the setting says so. */
    outcome({letter}) {
        const {winner, winner_by} = this.state.data;
        if (letter !== winner) {
            return null;
        }
        return {
            test: {text: _t("Winner"), color: "text-bg-success"},
            hand: {text: _t("Chosen"), color: "text-bg-info"},
            policy: {text: _t("Sent to the rest"), color: "text-bg-light border"},
        }[winner_by];
    }

    rejectedText(version) {
        return _t(
            "DirectMail has rejected version %s. The test starts when all of its versions are approved.",
            version.letter
        );
    }

    color(letter) {
        return COLORS[letter];
    }

    stateColor(version) {
        return STATE_COLORS[version.template_state] || "text-bg-light border";
    }

    stateLabel(version) {
        const {selection} = this.props.record.fields.template_state;
        return Object.fromEntries(selection)[version.template_state];
    }

    subject(version) {
        return fillIn(version.subject || "");
    }

    preview(version) {
        return fillIn(version.preview || "");
    }

    thumbnail(version) {
        const {changed, template_id} = version;
        return `/directmail/thumbnail/template/${template_id}?unique=${encodeURIComponent(changed)}`;
    }

    /** The results of a version: [label, number as text]. */
    figures(version) {
        const names = [
            ["assigned", _t("People")],
            ["mailed", _t("Sent")],
            ["delivered", _t("Delivered")],
            ["opened", _t("Opened")],
            ["clicked", _t("Clicked")],
            ["converted", _t("Converted")],
        ];
        const {criterion} = this.state.data;
        const hasConversions =
            version.converted || ["conversions", "revenue"].includes(criterion);
        const shown = names
            // The number of people may be untold: see `get_test_results`.
            .filter(([name]) => version[name] !== null)
            .filter(([name]) => name !== "converted" || hasConversions)
            .map(([name, label]) => ({
                name,
                label,
                text: version.unknown.includes(name)
                    ? _t("not known yet")
                    : formatInteger(version[name]),
                isUnknown: version.unknown.includes(name),
            }));
        if (version.revenue) {
            const text = this.formatMoney(version.revenue);
            shown.push({name: "revenue", label: _t("Revenue"), text});
        }
        return shown;
    }

    formatMoney(value) {
        return formatMonetary(value, {currencyId: this.state.data.currency_id});
    }

    formatRate(value) {
        return this.isRevenue
            ? this.formatMoney(value)
            : formatPercent(value, value && value < 0.01 ? 2 : 1);
    }

    /** Whether the range of a rate is known; that of revenue is not. */
    hasRange(version) {
        return version.low !== null;
    }

    rangeText(version) {
        return _t("%(low)s to %(high)s", {
            low: this.formatRate(version.low),
            high: this.formatRate(version.high),
        });
    }

    /** The place of a rate on the common scale of all versions, as a percentage. */
    place(value) {
        return (100 * value) / this.scale;
    }

    get scale() {
        const highs = this.rated.map(({high, rate}) => high ?? rate);
        return Math.max(...highs) * 1.05 || 1;
    }

    drawChart() {
        if (!this.canvas.el || !this.hasCurve) {
            return;
        }
        const start = Object.fromEntries(this.versions.map(({letter}) => [letter, 0]));
        const curve = [{hour: 0, ...start}, ...this.state.data.curve];
        const lines = this.versions.map((version) => ({
            label: this.label(version),
            data: curve.map((row) => row[version.letter]),
            borderColor: COLORS[version.letter],
            backgroundColor: COLORS[version.letter],
            borderWidth: 2,
            pointRadius: curve.length > 30 ? 0 : 2,
        }));
        // eslint-disable-next-line no-undef
        const chart = new Chart(this.canvas.el, {
            type: "line",
            data: {labels: curve.map((row) => row.hour), datasets: lines},
            options: {
                locale: user.lang,
                maintainAspectRatio: false,
                animation: false,
                interaction: {mode: "index", intersect: false},
                scales: {
                    x: {ticks: {maxTicksLimit: 8, maxRotation: 0}},
                    y: {
                        beginAtZero: true,
                        ticks: {callback: (value) => this.formatRate(value)},
                    },
                },
                plugins: {
                    legend: {position: "bottom"},
                    tooltip: {
                        callbacks: {
                            label: ({dataset, parsed}) =>
                                `${dataset.label}: ${this.formatRate(parsed.y)}`,
                        },
                    },
                },
            },
        });
        return () => chart.destroy();
    }

    async reload() {
        const {record} = this.props;
        await record.load();
        record.model.bus.trigger("directmail-task-loaded");
    }

    /** Call a method of the server, once the form is saved, and show what it opens. */
    async call(model, method, ids, ...args) {
        if (!(await this.props.record.save())) {
            return;
        }
        const action = await this.orm.call(model, method, [
            ids || [this.props.record.resId],
            ...args,
        ]);
        if (action?.type) {
            await this.action.doAction(action, {onClose: () => this.reload()});
        }
        await this.reload();
    }

    add() {
        return this.call("directmail.task", "action_add_version");
    }

    /** Ask before a change mixes two contents in the figures of a test that has started. */
    change(version) {
        if (this.isDraft || this.state.data.state === "decided" || !version.mailed) {
            return this.openContent(version);
        }
        return this.dialog.add(ConfirmationDialog, {
            title: _t("Change version %s?", version.letter),
            body: _t(
                "Mails of version %(letter)s that were sent: %(count)s. If you change it, its figures mix two contents, and the A/B test sends no version to the rest by itself: you choose one.",
                {letter: version.letter, count: formatInteger(version.mailed)}
            ),
            confirmLabel: this.buttonLabel("change", version),
            confirm: () => this.openContent(version),
            cancel: () => {},
        });
    }

    /** Version A is the mail of the page; the others have a dialog. */
    async openContent(version) {
        if (version.letter === "A") {
            const {own_content} = this.props.record.data;
            return focusField(own_content ? "subject" : "template_id");
        }
        return this.call("directmail.task.version", "action_open", [version.id]);
    }

    remove(version) {
        const others = this.versions.filter(({letter}) => letter !== version.letter);
        this.dialog.add(ConfirmationDialog, {
            title: _t("Remove version %s?", version.letter),
            body:
                others.length > 1
                    ? _t("The A/B test goes on with the other versions.")
                    : _t(
                          "There will be no A/B test any more: everybody gets version %s.",
                          others[0].letter
                      ),
            confirmLabel: this.buttonLabel("remove", version),
            confirm: () => this.drop(version),
            cancel: () => {},
        });
    }

    drop(version) {
        return this.call("directmail.task.version", "action_remove", [version.id]);
    }

    choose(version) {
        this.dialog.add(ConfirmationDialog, {
            title: _t("Send version %s to the others?", version.letter),
            body: _t(
                "People outside of the test group who still wait get version %(letter)s: %(people)s. The test ends with your choice, and this can't be undone.",
                {
                    letter: version.letter,
                    people: formatInteger(this.state.data.rest.waiting),
                }
            ),
            confirmLabel: this.buttonLabel("choose", version),
            confirm: () =>
                this.call(
                    "directmail.task",
                    "action_choose_version",
                    null,
                    version.letter
                ),
            cancel: () => {},
        });
    }

    /** The people who were assigned to a version. */
    async openPeople(version) {
        const action = await this.orm.call(
            "directmail.task",
            "action_view_deliveries",
            [[this.props.record.resId]],
            {context: {figure: "version", version: version.letter}}
        );
        await this.action.doAction(action);
    }
}

registry.category("view_widgets").add("directmail_task_versions", {
    component: TaskVersions,
    fieldDependencies: [
        {name: "editable", type: "selection"},
        {name: "origin_id", type: "many2one", relation: "directmail.task"},
        {name: "own_content", type: "boolean"},
        {name: "planned_at", type: "datetime"},
        {name: "state", type: "selection"},
        {name: "subject", type: "char"},
        {name: "template_id", type: "many2one", relation: "directmail.template"},
        {name: "template_state", type: "selection"},
    ],
});
