import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

// An inbox shows about this many characters of the text beside the subject.
const BEGINNING = 140;
/** Elements that begin a line of their own: their texts are words of their own. */
const BLOCKS = "br, div, h1, h2, h3, h4, h5, h6, hr, img, li, p, td, th";

/** The line of a mail in the recipient's inbox: sender, subject and how the mail begins. */
export class TaskInbox extends Component {
    static template = "email_marketing_dm.TaskInbox";
    static props = standardWidgetProps;

    get sender() {
        return this.props.record.data.sender_name || "";
    }

    get initial() {
        return Array.from(this.sender.trim())[0]?.toUpperCase() || "?";
    }

    get subject() {
        return fillIn(this.props.record.data.subject || "");
    }

    /** The preview text; without one, mail programs show the beginning of the mail. */
    get preview() {
        return fillIn(this.props.record.data.preview_text || "") || this.beginning;
    }

    get beginning() {
        const html = String(this.props.record.data.body_html || "");
        if (html !== this.html) {
            this.html = html;
            this.text = getText(html);
        }
        return this.text;
    }
}

/** Replace placeholders by their default values; those without one by their field's name. */
export function fillIn(text) {
    return text.replace(
        /\{\{\s*([^|{}]*?)\s*(?:\|\|\|\s*([^{}]*?)\s*)?\}\}/g,
        (_match, path, byDefault) => byDefault || `‹${path.split(".").pop()}›`
    );
}

/** The beginning of the text that readers see in a mail. */
export function getText(html) {
    const {body} = new DOMParser().parseFromString(html, "text/html");
    for (const hidden of body.querySelectorAll("style, script, title")) {
        hidden.remove();
    }
    for (const block of body.querySelectorAll(BLOCKS)) {
        block.before(" ");
        block.after(" ");
    }
    return body.textContent.replace(/\s+/g, " ").trim().slice(0, BEGINNING);
}

registry.category("view_widgets").add("directmail_task_inbox", {
    component: TaskInbox,
    fieldDependencies: [
        {name: "sender_name", type: "char"},
        {name: "subject", type: "char"},
        {name: "preview_text", type: "char"},
        {name: "body_html", type: "html"},
    ],
});
