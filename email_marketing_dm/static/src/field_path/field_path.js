import {
    FieldSelectorField,
    fieldSelectorField,
} from "@web/views/fields/field_selector/field_selector_field";
import {registry} from "@web/core/registry";

/** Odoo's `field_selector`, which shows the names of fields also where it is read-only. */
export class FieldPathField extends FieldSelectorField {
    static template = "email_marketing_dm.FieldPathField";
}

registry
    .category("fields")
    .add("directmail_field_path", {...fieldSelectorField, component: FieldPathField});
