import {Component, onMounted, onWillStart, useState} from "@odoo/owl";
import {deserializeDateTime, formatDate} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {ConfirmationDialog} from "@web/core/confirmation_dialog/confirmation_dialog";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {Layout} from "@web/search/layout";
import {formatInteger} from "@web/views/fields/formatters";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {session} from "@web/session";
import {formatPercent} from "../percent/percent";
import {isFirstCampaignStuck, showFirstCampaign} from "./first_campaign_tour";

/** The first page of the app: the steps to the first campaign, then what is going on. */
export class DirectmailHome extends Component {
    static template = "email_marketing_dm.Home";
    static components = {Layout};
    static props = {...standardActionServiceProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.dialog = useService("dialog");
        this.tourService = useService("tour_service");
        this.state = useState({data: null});
        this.display = {controlPanel: {}};
        this.stateLabels = {
            done: _t("Done"),
            now: _t("Next"),
            waiting: _t("Waiting for others"),
            later: _t("Later"),
        };
        onWillStart(() => this.load());
        onMounted(() => {
            const {steps} = this.state.data;
            if (steps.length && isFirstCampaignStuck(steps)) {
                this.showHow();
            }
        });
    }

    async load() {
        this.state.data = await this.orm.call("directmail.home", "get_home", []);
    }

    /** The sections that have rows; without steps, also empty sections, which have a sentence. */
    get sections() {
        const {attention, progress, health, steps} = this.state.data;
        const sections = [
            {
                name: "attention",
                title: _t("Needs your attention"),
                empty: _t("Nothing needs your attention."),
                ...attention,
            },
            {
                name: "progress",
                title: _t("In progress"),
                empty: _t("No email task is being sent, scheduled or in review."),
                ...progress,
            },
            {
                name: "health",
                title: _t("Accounts and sender addresses"),
                ...health,
            },
        ];
        return sections.filter(
            (section) => section.rows.length || (section.empty && !steps.length)
        );
    }

    /** Whether "Show me how" is offered: an account is connected, or the user may do that. */
    get canShowHow() {
        const [connect] = this.state.data.steps;
        return connect.state === "done" || Boolean(connect.action);
    }

    showHow() {
        return showFirstCampaign(
            {orm: this.orm, tour_service: this.tourService},
            session.tour_enabled,
            this.state.data
        );
    }

    formatRate(value) {
        return value === false ? "–" : formatPercent(value);
    }

    formatInteger(value) {
        return formatInteger(value);
    }

    formatDay(value) {
        return formatDate(deserializeDateTime(value));
    }

    openRecord(model, id) {
        this.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
        });
    }

    /** Submit the templates that need another review, once the user has confirmed it. */
    submitAgain() {
        this.dialog.add(ConfirmationDialog, {
            title: _t("Submit again"),
            body: _t(
                "DirectMail reviews the same content again, with variables of their own for links and tracking pixel. Pending email tasks with these templates wait for the review; templates of email tasks that are being sent or paused can be submitted when these have ended. Continue?"
            ),
            confirmLabel: _t("Submit again"),
            confirm: async () => {
                await this.orm.call("directmail.template", "action_submit_again", [
                    this.state.data.reviews.ids,
                ]);
                await this.load();
            },
            cancel: () => {},
        });
    }

    /** Archive the trial with its templates and email tasks. */
    async endTrial() {
        await this.orm.call("directmail.account", "action_end_trial", [
            this.state.data.trial.id,
        ]);
        await this.load();
    }

    doAction(action) {
        return this.action.doAction(action);
    }
}

registry.category("actions").add("directmail_home", DirectmailHome);
