import {Component, xml} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

const {DateTime} = luxon;

/** In which time zone the times on a page are shown: that of the browser. */
export class TimeZone extends Component {
    static template = xml`<span class="o_directmail_time_zone text-muted" t-esc="text"/>`;
    static props = standardWidgetProps;

    get text() {
        return _t("in your time zone (%s)", DateTime.local().zoneName);
    }
}

registry.category("view_widgets").add("directmail_time_zone", {component: TimeZone});
