import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

/** How a mail begins, small, on a card. */
export class Thumbnail extends Component {
    static template = "email_marketing_dm.Thumbnail";
    static props = standardWidgetProps;

    get url() {
        const {resModel, resId, data} = this.props.record;
        // The address changes with the template, so that browsers don't show a cached preview.
        const version = data.write_date ? data.write_date.ts : "";
        return `/directmail/thumbnail/${resModel.split(".").pop()}/${resId}?unique=${version}`;
    }
}

/** How the mail of an email task begins. */
export class TaskThumbnail extends Thumbnail {
    get url() {
        const {template_id, template_write_date} = this.props.record.data;
        if (!template_id) {
            return false;
        }
        const version = template_write_date ? template_write_date.ts : "";
        return `/directmail/thumbnail/template/${template_id.id}?unique=${version}`;
    }
}

registry.category("view_widgets").add("directmail_task_thumbnail", {
    component: TaskThumbnail,
    fieldDependencies: [
        {name: "template_id", type: "many2one", relation: "directmail.template"},
        {name: "template_write_date", type: "datetime"},
    ],
});
registry.category("view_widgets").add("directmail_thumbnail", {
    component: Thumbnail,
    fieldDependencies: [{name: "write_date", type: "datetime"}],
});
