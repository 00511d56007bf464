import {patch} from "@web/core/utils/patch";
import {DynamicPlaceholderPopover} from "@web/views/fields/dynamic_placeholder_popover";

const OUR_MODELS = ["directmail.design", "directmail.task", "directmail.template"];
const NOT_TEXT = ["binary", "json", "many2one_reference", "properties", "reference"];

/**
 * Odoo offers a handful of fields to users who may not write QWeb. Our placeholders are none: each
 * names one field, and the server reads it with the rights of whoever wrote and sends the mail.
 */
patch(DynamicPlaceholderPopover.prototype, {
    async _loadAllowedExpressions() {
        await super._loadAllowedExpressions();
        const {currentController} = this.env.services.action;
        this.isOurs = OUR_MODELS.includes(currentController?.props.resModel);
        this.isTemplateEditor ||= this.isOurs;
    },

    filter(fieldDef, path) {
        return (
            super.filter(fieldDef, path) &&
            !(this.isOurs && NOT_TEXT.includes(fieldDef.type))
        );
    },
});
