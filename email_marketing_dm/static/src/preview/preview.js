import {Component, onWillStart, useEffect, useRef, useState} from "@odoo/owl";
import {Dialog} from "@web/core/dialog/dialog";
import {RecordSelector} from "@web/core/record_selectors/record_selector";
import {registry} from "@web/core/registry";
import {KeepLast} from "@web/core/utils/concurrency";
import {useService} from "@web/core/utils/hooks";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {getContent, getTemplateIds} from "../preflight/preflight";

/** The mail that a contact will get, as DirectMail will assemble it. */
export class PreviewDialog extends Component {
    static template = "email_marketing_dm.PreviewDialog";
    static components = {Dialog, RecordSelector};
    static props = {
        content: {type: [Object, {value: false}]}, // false: what was submitted
        ids: {type: Array},
        close: {type: Function},
    };

    setup() {
        this.orm = useService("orm");
        this.frame = useRef("frame");
        this.keepLast = new KeepLast();
        this.state = useState({
            partnerId: false,
            phone: false,
            dark: false,
            mail: null,
        });
        onWillStart(async () => {
            const [partnerId] = await this.orm.search(
                "res.partner",
                [["email", "!=", false]],
                {limit: 1, order: "write_date desc"}
            );
            this.state.partnerId = partnerId || false;
            await this.load();
        });
        useEffect(
            (mail) => {
                if (this.frame.el && mail) {
                    // where the public address is not reached from here, pictures still are
                    const own = mail.public_url && `src="${mail.public_url}/`;
                    this.frame.el.srcdoc = own
                        ? mail.html.replaceAll(own, `src="/`)
                        : mail.html;
                }
            },
            () => [this.state.mail]
        );
    }

    async load() {
        this.state.mail = await this.keepLast.add(
            this.orm.call("directmail.template", "preview_content", [
                this.props.ids,
                this.props.content,
                this.state.partnerId,
                this.state.dark,
            ])
        );
    }

    toggleDark() {
        this.state.dark = !this.state.dark;
        return this.load();
    }

    choose(partnerId) {
        this.state.partnerId = partnerId || false;
        return this.load();
    }
}

/** The button that opens the preview, of what is in the form whether saved or not. */
export class PreviewButton extends Component {
    static template = "email_marketing_dm.PreviewButton";
    static props = standardWidgetProps;

    setup() {
        this.dialog = useService("dialog");
    }

    async open() {
        const {record} = this.props;
        await record.isDirty(); // has the editor hand over what was typed
        const {own_content, state, template_state} = record.data;
        const isTask = record.resModel === "directmail.task";
        // Of an email task, what its template says until its own content is switched on.
        const submitted =
            ["in_review", "approved", "lapsed"].includes(
                isTask ? template_state : state
            ) && !own_content;
        this.dialog.add(PreviewDialog, {
            content: submitted ? false : getContent(record),
            ids: getTemplateIds(record),
        });
    }
}

registry.category("view_widgets").add("directmail_preview", {
    component: PreviewButton,
    fieldDependencies: [{name: "state", type: "selection"}],
});
