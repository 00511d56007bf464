import {
    MassMailingHtmlField,
    massMailingHtmlField,
} from "@mass_mailing/fields/html_field/mass_mailing_html_field";
import {status} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {useDebounced} from "@web/core/utils/timing";

/** What is in the editor right now; its record only knows it when the editor loses the focus. */
export const BODY_TYPED = "DIRECTMAIL_BODY_TYPED";
const PAUSE = 700; // milliseconds without a key

/**
 * The mail builder, which tells the preflight what is being written, and shows the code to
 * everybody, not only in developer mode.
 */
export class DirectmailBodyField extends MassMailingHtmlField {
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
