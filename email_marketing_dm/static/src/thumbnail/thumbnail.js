import {Component} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

/** How a mail begins, small, on a card. */
export class Thumbnail extends Component {
    static template = "email_marketing_dm.Thumbnail";
    static props = standardWidgetProps;

    get url() {
        const {resModel, resId, data} = this.props.record;
        // a changed template is another address, so that no card shows what was
        const version = data.write_date ? data.write_date.ts : "";
        return `/directmail/thumbnail/${resModel.split(".").pop()}/${resId}?unique=${version}`;
    }
}

registry.category("view_widgets").add("directmail_thumbnail", {
    component: Thumbnail,
    fieldDependencies: [{name: "write_date", type: "datetime"}],
});
