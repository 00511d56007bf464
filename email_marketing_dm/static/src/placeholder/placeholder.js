import {_t} from "@web/core/l10n/translation";
import {ModelFieldSelectorPopover} from "@web/core/model_field_selector/model_field_selector_popover";
import {patch} from "@web/core/utils/patch";
import {DynamicPlaceholderPopover} from "@web/views/fields/dynamic_placeholder_popover";

const OUR_MODELS = ["directmail.design", "directmail.task", "directmail.template"];
const NOT_TEXT = ["binary", "json", "many2one_reference", "properties", "reference"];
const COLUMNS_SHOWN = 10;
const COMPANY = "commercial_company_name"; // which Odoo calls "Company Name Entity"
/** The fields of a contact that mails use most, in this order. */
const USUAL_FIELDS = [
    "directmail_first_name",
    "name",
    COMPANY,
    "city",
    "lang",
    "user_id",
    "directmail_rfm_type",
];

/**
 * Offers the usual fields, the columns of uploaded lists and the records of series first; the other
 * fields are found by a search, or shown by a click.
 */
export class PlaceholderSelector extends ModelFieldSelectorPopover {
    static template = "email_marketing_dm.PlaceholderSelector";
    static props = {
        ...ModelFieldSelectorPopover.props,
        usualFields: {type: Array, optional: true},
        uploadColumns: {type: Array, optional: true},
        recordModels: {type: Array, optional: true},
    };

    filter(fieldDefs, path, ...args) {
        const found = super.filter(fieldDefs, path, ...args);
        const company = found[COMPANY];
        if (company && this.props.usualFields?.length) {
            found[COMPANY] = {...company, string: _t("Company")};
        }
        if (!path) {
            for (const column of this.props.uploadColumns || []) {
                found[column.path] = {
                    name: column.path,
                    string: column.label,
                    type: "char",
                };
            }
            for (const record of this.props.recordModels || []) {
                found[record.path] = {
                    name: record.path,
                    string: record.label,
                    type: "many2one",
                    relation: record.model,
                    isRecord: true,
                };
            }
        }
        return found;
    }

    /** A record has no value of its own: show its fields. */
    selectField(field) {
        return field.isRecord ? this.followRelation(field) : super.selectField(field);
    }

    async loadPages(...args) {
        const page = await super.loadPages(...args);
        this.showUsual(page);
        return page;
    }

    openPage(page) {
        super.openPage(page);
        this.showUsual(this.state.page);
    }

    searchFields(query) {
        super.searchFields(query);
        this.showUsual(this.state.page);
    }

    /** Shorten the list of a first page without a search. */
    showUsual(page) {
        const usual = (this.props.usualFields || []).filter(
            (name) => name in page.fieldDefs
        );
        page.isShort = !page.previousPage && !page.query && usual.length > 0;
        if (page.isShort) {
            page.fieldNames = usual;
            page.resetFocusedFieldName();
        }
    }

    /** Show all fields and focus the search, because the focused button disappears. */
    showAll(ev) {
        const {page} = this.state;
        page.isShort = false;
        page.fieldNames = page.sortedFieldNames;
        page.resetFocusedFieldName();
        ev.target
            .closest(".o_model_field_selector_popover")
            .querySelector("input")
            .focus();
    }

    /** Leave Enter on the button to the button: super() would select the highlighted field. */
    async onInputKeydown(ev) {
        if (ev.key !== "Enter" || !ev.target.matches(".o_directmail_all_fields")) {
            await super.onInputKeydown(ev);
        }
    }
}

DynamicPlaceholderPopover.components = {
    ...DynamicPlaceholderPopover.components,
    ModelFieldSelectorPopover: PlaceholderSelector,
};

/**
 * Odoo offers only a few fields to users who may not write QWeb. In our mails all fields are offered,
 * because a placeholder is no QWeb: it names one field, which the server reads with the rights that
 * the author of the mail and the owner of the email task have in common.
 */
patch(DynamicPlaceholderPopover.prototype, {
    async _loadAllowedExpressions() {
        await super._loadAllowedExpressions();
        const {currentController} = this.env.services.action;
        this.isOurs = OUR_MODELS.includes(currentController?.props.resModel);
        this.isTemplateEditor ||= this.isOurs;
        this.uploadColumns = this.isOurs
            ? await this.env.services.orm.call(
                  "directmail.upload.column",
                  "get_placeholders"
              )
            : [];
        // Only templates can be chosen in series.
        this.recordModels =
            currentController?.props.resModel === "directmail.template"
                ? await this.env.services.orm.call(
                      "directmail.data.table",
                      "get_record_placeholders"
                  )
                : [];
    },

    get usualFields() {
        const others = [
            ...this.uploadColumns.slice(0, COLUMNS_SHOWN),
            ...this.recordModels,
        ];
        return this.isOurs ? [...USUAL_FIELDS, ...others.map(({path}) => path)] : [];
    },

    filter(fieldDef, path) {
        if (!this.isOurs) {
            return super.filter(fieldDef, path);
        }
        // The first name is not stored, so it is not searchable, which the picker requires.
        return (
            super.filter(
                fieldDef.name === "directmail_first_name"
                    ? {...fieldDef, searchable: true}
                    : fieldDef,
                path
            ) && !NOT_TEXT.includes(fieldDef.type)
        );
    },
});
