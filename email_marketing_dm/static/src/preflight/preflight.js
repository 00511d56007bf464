import {
    Component,
    markup,
    onMounted,
    onWillUnmount,
    useExternalListener,
    useState,
} from "@odoo/owl";
import {browser} from "@web/core/browser/browser";
import {deserializeDateTime, formatDateTime} from "@web/core/l10n/dates";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {KeepLast} from "@web/core/utils/concurrency";
import {useBus, useService} from "@web/core/utils/hooks";
import {useDebounced} from "@web/core/utils/timing";
import {useRecordObserver} from "@web/model/relational_model/utils";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {BODY_REPLACED, BODY_TYPED} from "../mail_body/mail_body_field";

const PAUSE = 400; // milliseconds without a change
const LOOK_AGAIN = 2000; // milliseconds between two looks at how far the check of links is
const NO_LINKS = {links: 0, pages: 0, done: 0, gone: [], unclear: []};
const SHRINK = "shrink_pictures"; // stores pictures, which other repairs don't
const TYPED_FIELDS = ["subject", "sender_name", "preview_text"];

/** A record's content as the server's checks take it. */
export function getContent(record) {
    const {subject, sender_name, preview_text, body_arch, body_html, account_id} =
        record.data;
    return {
        subject: subject || "",
        sender_name: sender_name || "",
        preview_text: preview_text || "",
        body_arch: String(body_arch || ""),
        body_html: String(body_html || ""),
        account_id: account_id ? account_id.id : false,
    };
}

/** The template that a record is, or that an email task sends. */
export function getTemplateIds(record) {
    const id =
        record.resModel === "directmail.task"
            ? record.data.template_id?.id
            : record.resId;
    return id ? [id] : [];
}

/** What DirectMail's reviewers will look for, checked while somebody writes. */
export class Preflight extends Component {
    static template = "email_marketing_dm.Preflight";
    static props = standardWidgetProps;

    setup() {
        this.orm = useService("orm");
        this.state = useState({
            findings: [],
            checked: false,
            failed: false,
            opened: null,
            busy: false,
            asking: false,
            asked: false, // since the content changed last
            done: null, // the last fix: {label, isRaw, values: those before, fixed: those after}
            links: NO_LINKS,
        });
        this.notification = useService("notification");
        this.keepLast = new KeepLast();
        this.typed = null; // newer than the record's own body
        this.check = useDebounced(() => this.checkNow(), PAUSE);
        useBus(this.props.record.model.bus, BODY_TYPED, ({detail}) => {
            this.typed = detail;
            this.state.done = null;
            this.state.asked = false;
            this.check();
        });
        // a record knows of a text field's value only when somebody leaves the field
        this.typedFields = {};
        useExternalListener(document, "input", ({target}) => {
            const name = target.closest(".o_field_widget[name]")?.getAttribute("name");
            if (TYPED_FIELDS.includes(name)) {
                this.typedFields[name] = target.value;
                this.check();
            }
        });
        let last;
        useRecordObserver((record) => {
            const content = JSON.stringify(getContent(record));
            if (content !== last) {
                if (
                    last &&
                    JSON.parse(last).body_arch !== JSON.parse(content).body_arch
                ) {
                    this.typed = null;
                }
                last = content;
                this.typedFields = {};
                this.state.asked = false;
                this.forgetFix();
                this.check();
            }
        });
        onMounted(() => {
            // the form doesn't wait for them
            this.checkNow();
            this.followLinks();
        });
        onWillUnmount(() => browser.clearTimeout(this.timer));
    }

    get errors() {
        return this.state.findings.filter(({level}) => level === "error");
    }

    get warnings() {
        return this.state.findings.filter(({level}) => level !== "error");
    }

    get errorText() {
        return _t("Issues to fix before review: %s", this.errors.length);
    }

    get warningText() {
        return _t("Suggestions: %s", this.warnings.length);
    }

    get started() {
        const {body_arch, subject} = this.props.record.data;
        return Boolean(String(body_arch || "") || subject || this.typed);
    }

    get ids() {
        return getTemplateIds(this.props.record);
    }

    get isChecking() {
        return this.state.asking || this.state.links.done < this.state.links.pages;
    }

    /** Empty as long as nobody has pressed the button for a mail without links. */
    get linksText() {
        const {links, pages, done, checked_at} = this.state.links;
        if (!links) {
            return this.state.asked ? _t("The mail has no links to check.") : "";
        }
        if (done < pages) {
            return _t("Links checked: %(done)s of %(pages)s", {done, pages});
        }
        if (pages < links) {
            return _t("Links not checked yet: %s", links - pages);
        }
        return _t("Links checked: %(done)s, %(time)s", {
            done,
            time: formatDateTime(deserializeDateTime(checked_at)),
        });
    }

    /** Save, then have the server open the pages that the mail links to. */
    async checkLinks() {
        if (this.isChecking) {
            return;
        }
        this.state.asking = true;
        try {
            if (await this.props.record.save()) {
                this.showLinks(
                    await this.orm.call("directmail.template", "check_links", [
                        this.ids,
                    ])
                );
                this.state.asked = true;
            }
        } finally {
            this.state.asking = false;
        }
    }

    async followLinks() {
        if (this.ids.length) {
            try {
                this.showLinks(
                    await this.orm.silent.call(
                        "directmail.template",
                        "get_link_progress",
                        [this.ids]
                    )
                );
            } catch {
                this.state.links = NO_LINKS; // offered again
            }
        }
    }

    showLinks(links) {
        const ended = links.done > this.state.links.done;
        this.state.links = links;
        browser.clearTimeout(this.timer);
        if (links.done < links.pages) {
            this.timer = browser.setTimeout(() => this.followLinks(), LOOK_AGAIN);
        }
        if (ended) {
            this.checkNow(); // the answers are findings
        }
    }

    async checkNow() {
        const content = {...getContent(this.props.record), ...this.typedFields};
        if (this.typed) {
            content.body = this.typed;
        } else if (!content.body_html) {
            content.body = content.body_arch; // the builder is still preparing it
        }
        try {
            const findings = await this.keepLast.add(
                this.orm.silent.call("directmail.template", "check_content", [
                    this.ids,
                    content,
                ])
            );
            Object.assign(this.state, {findings, checked: true, failed: false});
        } catch {
            this.state.failed = true; // the next change asks again; submitting checks anyway
        }
    }

    toggle(code) {
        this.state.opened = this.state.opened === code ? null : code;
    }

    async fix(finding) {
        const {record} = this.props;
        this.state.busy = true;
        try {
            await record.isDirty(); // has the editor hand over what was typed
            const before = getContent(record);
            const args = [this.ids, before];
            const changes = await (finding.fix === SHRINK
                ? this.orm.call("directmail.template", "shrink_pictures", args)
                : this.orm.call("directmail.template", "repair_content", [
                      ...args,
                      finding.fix,
                  ]));
            const names = Object.keys(changes);
            if (!names.length) {
                this.notification.add(
                    _t("This can't be fixed automatically. Change it in the mail."),
                    {type: "warning"}
                );
                return;
            }
            await this.change(changes);
            const values = Object.fromEntries(
                names.map((name) => [name, before[name]])
            );
            this.state.done = {
                label: finding.fix_label,
                isRaw: "body_arch" in changes,
                values,
                fixed: Object.fromEntries(
                    names.map((name) => [name, getContent(record)[name]])
                ),
            };
        } finally {
            this.state.busy = false;
        }
    }

    /** Put values into the form; the builder makes the inlined body anew. */
    async change(values) {
        const {record} = this.props;
        const changes = {...values};
        const proms = [];
        if (changes.body_arch) {
            changes.body_arch = markup(changes.body_arch);
            changes.body_html = "";
            record.model.bus.trigger(BODY_REPLACED, {changes, proms});
        }
        this.typed = null;
        await (proms.length ? Promise.all(proms) : record.update(changes));
    }

    async undo() {
        const {values} = this.state.done;
        this.state.done = null;
        await this.change(values);
    }

    /** Offer no undo once somebody has changed what the fix changed. */
    forgetFix() {
        const {done} = this.state;
        const content = getContent(this.props.record);
        if (done?.isRaw && content.body_html) {
            // the builder has tidied the body and made the inlined one
            done.isRaw = false;
            done.fixed.body_arch = content.body_arch;
        }
        if (
            done &&
            Object.entries(done.fixed).some(([name, value]) => content[name] !== value)
        ) {
            this.state.done = null;
        }
    }
}

registry.category("view_widgets").add("directmail_preflight", {
    component: Preflight,
    fieldDependencies: [
        {name: "subject", type: "char"},
        {name: "sender_name", type: "char"},
        {name: "preview_text", type: "char"},
        {name: "account_id", type: "many2one"},
        {name: "body_arch", type: "html"},
        {name: "body_html", type: "html"},
    ],
});
