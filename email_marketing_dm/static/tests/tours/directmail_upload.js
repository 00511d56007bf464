import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

// A step in words takes one line only.
const LIST = "Name;Mail\nAda;ada@example.com\nBob;bob@example.com\nCy;no address";
const seeState = (state) => ({
    trigger: `.o_field_widget[name="state"] .o_arrow_button_current[data-value="${state}"]`,
});

registry.category("web_tour.tours").add("directmail_upload", {
    steps: () => [
        ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
        {
            trigger: `[data-menu-xmlid="email_marketing_dm.directmail_upload_menu"]`,
            run: "click",
        },
        {trigger: `.o_last_breadcrumb_item:contains("Uploads")`},
        {trigger: ".o_list_button_add", run: "click"},
        {trigger: `.o_field_widget[name="name"] input`, run: "edit Tour upload"},
        {
            trigger: `.o_field_widget[name="source"] input[data-value="paste"]`,
            run: "click",
        },
        {
            trigger: `.o_field_widget[name="pasted"] textarea`,
            async run(helpers) {
                await helpers.edit(LIST);
            },
        },
        {
            content: "leave the text, so that its first rows are read",
            trigger: `.o_field_widget[name="name"] input`,
            run: "click",
        },
        {
            content: "answer where the people come from",
            trigger: `.o_field_widget[name="consent_source"] input[data-value="event"]`,
            run: "click",
        },
        {trigger: `button[name="action_preview"]`, run: "click"},
        {
            content: "the column and what is in it were found out",
            trigger: `.o_field_widget[name="preview_html"] td.table-info:contains("Mail")`,
        },
        {trigger: `button[name="action_start"]:not(:disabled)`, run: "click"},
        seeState("running"),
        {trigger: ".o_directmail_upload_progress"},
    ],
});

registry.category("web_tour.tours").add("directmail_upload_result", {
    steps: () => [
        seeState("done"),
        {trigger: `.o_field_widget[name="people_count"] .o_stat_value:contains(2)`},
        {trigger: `button[name="action_download_unmatched"]`},
        {trigger: `.o_field_widget[name="consent_summary"]:contains("at an event")`},
        {
            content: "look at what was not matched",
            trigger: `button[name="action_view_lines"]:contains("Not matched")`,
            run: "click",
        },
        {trigger: `.o_data_row:contains("no address")`},
    ],
});
