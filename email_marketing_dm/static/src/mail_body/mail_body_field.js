import {
    MassMailingHtmlField,
    massMailingHtmlField,
} from "@mass_mailing/fields/html_field/mass_mailing_html_field";
import {status} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {DesignSelector} from "../design_selector/design_selector";
import {useBus} from "@web/core/utils/hooks";
import {useDebounced} from "@web/core/utils/timing";

/** Event with the editor's HTML, which the record gets only when the editor loses the focus. */
export const BODY_TYPED = "DIRECTMAIL_BODY_TYPED";
/**
 * Event that asks for other values of the record, the body among them: `{changes, proms}`. The builder
 * adds a promise to `proms` that is resolved when the record has them.
 */
export const BODY_REPLACED = "DIRECTMAIL_BODY_REPLACED";
const PAUSE = 700; // milliseconds without a key

/**
 * The mail builder. It triggers BODY_TYPED for the preflight while somebody writes, and offers the
 * code view to all users, not only in developer mode.
 */
export class DirectmailBodyField extends MassMailingHtmlField {
    static components = {
        ...MassMailingHtmlField.components,
        ThemeSelector: DesignSelector,
    };

    setup() {
        super.setup();
        this.tellBody = useDebounced(() => {
            if (status(this) === "destroyed" || !this.isDirty) {
                return;
            }
            const body = this.state.showCodeView
                ? this.codeViewRef.el?.value
                : this.editor &&
                  !this.editor.isDestroyed &&
                  this.editor.getElContent().innerHTML;
            if (body) {
                this.props.record.model.bus.trigger(BODY_TYPED, body);
            }
        }, PAUSE);
        useBus(this.props.record.model.bus, BODY_REPLACED, ({detail}) =>
            detail.proms.push(this.replaceBody(detail.changes))
        );
    }

    /**
     * Change the record once the inlined body of before is in it, as the theme selector does: it is
     * made in an iframe that the change replaces, and it would put the body of before back.
     */
    replaceBody(changes) {
        return this.mutex.exec(() => this.props.record.update(changes));
    }

    getThemeSelectorConfig() {
        const config = super.getThemeSelectorConfig();
        return {
            ...config,
            setDesign: async ({body_arch, ...texts}) => {
                await this.fillEmpty(texts);
                await config.setThemeHTML(body_arch);
            },
        };
    }

    /** Set the fields that are empty. Texts that the user has entered stay. */
    async fillEmpty(values) {
        const {record} = this.props;
        const empty = Object.entries(values).filter(
            ([name]) => name in record.data && !record.data[name]
        );
        await record.update(Object.fromEntries(empty));
    }

    onChange() {
        super.onChange();
        this.tellBody();
    }

    getMassMailingIframeProps() {
        return {
            ...super.getMassMailingIframeProps(),
            toggleCodeView: () => this.toggleCodeView(),
        };
    }
}

export const directmailBodyField = {
    ...massMailingHtmlField,
    component: DirectmailBodyField,
};

registry.category("fields").add("directmail_mail_body", directmailBodyField);
