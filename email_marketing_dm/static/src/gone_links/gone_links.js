import {Component, onWillUnmount, useState} from "@odoo/owl";
import {browser} from "@web/core/browser/browser";
import {Dialog} from "@web/core/dialog/dialog";
import {deserializeDateTime, formatDateTime} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";

const LOOK_AGAIN = 2000; // milliseconds between two looks at how far the check is

/** Asks whether to submit a template although pages that it links to do not exist. */
export class GoneLinksDialog extends Component {
    static template = "email_marketing_dm.GoneLinksDialog";
    static components = {Dialog};
    static props = {
        templateId: {type: Number},
        progress: {type: Object}, // as of `get_link_progress`
        close: {type: Function},
    };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({progress: this.props.progress, busy: false});
        onWillUnmount(() => browser.clearTimeout(this.timer));
    }

    get isChecking() {
        const {done, pages} = this.state.progress;
        return done < pages;
    }

    get time() {
        const time = formatDateTime(
            deserializeDateTime(this.state.progress.checked_at)
        );
        return _t("Last checked: %s", time);
    }

    async checkAgain() {
        await this.call("check_links");
    }

    /** Take over how far the check is, and look again until it has ended. */
    async call(method) {
        this.state.busy = true;
        try {
            this.state.progress = await this.orm.call("directmail.template", method, [
                [this.props.templateId],
            ]);
        } finally {
            this.state.busy = false;
        }
        if (this.isChecking) {
            this.timer = browser.setTimeout(
                () => this.call("get_link_progress"),
                LOOK_AGAIN
            );
        }
    }

    async submit() {
        this.state.busy = true;
        try {
            await this.orm.call(
                "directmail.template",
                "action_submit",
                [[this.props.templateId]],
                {confirmed: true}
            );
        } finally {
            this.state.busy = false;
        }
        this.props.close();
        await this.action.doAction({type: "ir.actions.client", tag: "soft_reload"});
    }
}

registry.category("actions").add("directmail_gone_links", (env, {params}) => {
    env.services.dialog.add(GoneLinksDialog, {
        templateId: params.template_id,
        progress: params.progress,
    });
});
