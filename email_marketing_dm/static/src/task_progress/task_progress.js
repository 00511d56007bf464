import {_t} from "@web/core/l10n/translation";
import {formatFloat, formatInteger} from "@web/views/fields/formatters";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {useService} from "@web/core/utils/hooks";
import {
    Component,
    onWillDestroy,
    onWillStart,
    onWillUpdateProps,
    useState,
} from "@odoo/owl";
import {formatPercent} from "../percent/percent";

const RUNNING = ["pending", "sending"];
// Milliseconds between two looks: while mails go out, and while little happens.
const OFTEN = 2000;
const SELDOM = 10000;
// Milliseconds between two loads of the form, which also count the results of the task.
const RELOAD = 10000;
// The rate is measured over this many milliseconds.
const WINDOW = 20000;
const BAD = ["failed", "invalid", "spam", "refused", "unknown"];

/**
 * Progress, rate, time left and figures of an email task, kept up to date while mails go out.
 * The form is loaded again when the state of the task has changed, because its buttons depend on
 * the state, and every RELOAD milliseconds while figures change, because the form shows them too.
 */
export class TaskProgress extends Component {
    static template = "email_marketing_dm.TaskProgress";
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({progress: null, rate: 0});
        this.samples = [];
        onWillStart(() => this.look(this.props.record.resId));
        onWillUpdateProps((props) => this.look(props.record.resId));
        onWillDestroy(() => {
            this.destroyed = true;
            clearTimeout(this.timer);
        });
    }

    get isRunning() {
        return this.state.progress && RUNNING.includes(this.state.progress.state);
    }

    /** Whether there are enough people to say how many of them have been mailed. */
    get hasBar() {
        const {to_mail, to_mail_text, told_in_tens} = this.state.progress;
        return told_in_tens ? Boolean(to_mail_text) : Boolean(to_mail);
    }

    get people() {
        return (
            this.state.progress.to_mail_text ||
            formatInteger(this.state.progress.to_mail)
        );
    }

    /** How much of the task is done, and how many people are to be mailed. */
    get summary() {
        return _t("Progress: %(percent)s. People to mail: %(people)s", {
            percent: formatPercent(this.state.progress.progress / 100, 0),
            people: this.people,
        });
    }

    /** Whether figures still change: calls under way end after a pause or cancellation, too. */
    get isMoving() {
        if (!this.state.progress) {
            return false;
        }
        const isCancelled = this.state.progress.state === "cancelled";
        const isEnding =
            this.count("sending") || (isCancelled && this.count("waiting"));
        return this.isRunning || Boolean(isEnding);
    }

    /** Speed and remaining time as text; empty while no mails are sent. */
    get pace() {
        const {progress, rate} = this.state;
        if (progress.state !== "sending" || rate < 0.05) {
            return "";
        }
        const minutes = this.waiting / rate / 60;
        const speed = formatFloat(rate, {digits: [16, rate < 10 ? 1 : 0]});
        if (progress.rest_waits) {
            return _t("%(speed)s mails per second", {speed});
        }
        if (minutes <= 1) {
            return _t("%(speed)s mails per second, less than a minute left", {speed});
        }
        if (minutes < 120) {
            return _t("%(speed)s mails per second, about %(minutes)s minutes left", {
                speed,
                minutes: Math.ceil(minutes),
            });
        }
        return _t("%(speed)s mails per second, about %(hours)s hours left", {
            speed,
            hours: Math.round(minutes / 60),
        });
    }

    get waiting() {
        return this.count("waiting") + this.count("sending");
    }

    count(name) {
        return (
            this.state.progress.counts.find((count) => count.name === name)?.value || 0
        );
    }

    /** A figure; in words where it is rounded. */
    format(count) {
        return count.text || formatInteger(count.value);
    }

    color(name) {
        if (BAD.includes(name)) {
            return "text-danger";
        }
        return name === "delivered" ? "text-success" : "";
    }

    async look(taskId) {
        clearTimeout(this.timer);
        if (!taskId || this.destroyed) {
            return;
        }
        if (taskId !== this.taskId) {
            this.taskId = taskId;
            this.loaded = null;
            this.samples = [];
        }
        if (!document.hidden || !this.state.progress) {
            await this.refresh(taskId);
        }
        if (!this.destroyed && this.taskId === taskId) {
            clearTimeout(this.timer);
            this.timer = setTimeout(
                () => this.look(taskId),
                this.isMoving ? OFTEN : SELDOM
            );
        }
    }

    async refresh(taskId) {
        const before = this.state.progress;
        let progress;
        try {
            progress = await this.orm.silent.call("directmail.task", "get_progress", [
                [taskId],
            ]);
        } catch {
            // The server did not answer: `look` tries again.
            return;
        }
        if (this.destroyed || this.taskId !== taskId) {
            return;
        }
        this.state.progress = progress;
        this.measure(before);
        const seen = {
            at: Date.now(),
            state: progress.state,
            figures: JSON.stringify(progress.counts),
        };
        this.loaded ||= seen;
        const {loaded} = this;
        const isOld = seen.figures !== loaded.figures && seen.at - loaded.at > RELOAD;
        const {record} = this.props;
        if ((isOld || seen.state !== loaded.state) && !(await record.isDirty())) {
            this.loaded = seen;
            await record.load();
            // The widget with the results shows no field of the task, so it is notified.
            record.model.bus.trigger("directmail-task-loaded");
        }
    }

    /** Set `state.rate`: mails per second that left the queue within WINDOW, in the same state. */
    measure(before) {
        const {state, people} = this.state.progress;
        // Begin anew after a pause, and after the plan, before which there are no people. A rounded
        // number of people may change without a plan.
        const isOther = !this.state.progress.told_in_tens && before?.people !== people;
        if (state !== "sending" || before?.state !== state || isOther) {
            this.samples = [];
            this.state.rate = 0;
        }
        if (state !== "sending") {
            return;
        }
        const now = Date.now();
        this.samples.push({at: now, waiting: this.waiting});
        while (this.samples.length > 2 && now - this.samples[0].at > WINDOW) {
            this.samples.shift();
        }
        const [first] = this.samples;
        const seconds = (now - first.at) / 1000;
        this.state.rate = seconds > 0.5 ? (first.waiting - this.waiting) / seconds : 0;
    }

    async open(name) {
        const action = await this.orm.call(
            "directmail.task",
            "action_view_deliveries",
            [[this.taskId]],
            {context: {figure: name}}
        );
        await this.action.doAction(action);
    }
}

registry.category("view_widgets").add("directmail_task_progress", {
    component: TaskProgress,
});
