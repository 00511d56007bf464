import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

const openMenu = (...names) => [
    ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
    ...names.map((name) => ({
        trigger: `[data-menu-xmlid="email_marketing_dm.${name}"]`,
        run: "click",
    })),
];
const press = (name) => ({
    trigger: `button[name="${name}"]:not(:disabled)`,
    run: "click",
});
const seeState = (state) => ({
    trigger: `.o_field_widget[name="state"] .o_arrow_button_current[data-value="${state}"]`,
});

// A ready-made series: choose it, then the audience and who enters.
registry.category("web_tour.tours").add("directmail_series_make", {
    steps: () => [
        ...openMenu("directmail_task_menu", "directmail_series_menu"),
        {trigger: ".o_last_breadcrumb_item:contains('Series')"},
        {trigger: ".o_list_button_add", run: "click"},
        {
            trigger: "button[name='action_use_ready_made']:contains('Welcome')",
            run: "click",
        },
        {
            content: "two mails and a wait between them",
            trigger:
                ".o_field_widget[name='step_ids'] .o_data_row:nth-child(3):contains('Welcome 2')",
        },
        {
            trigger: ".o_field_widget[name='audience_id'] input",
            run: "edit Tour readers",
        },
        {
            trigger: ".o-autocomplete--dropdown-item a:contains('Tour readers')",
            run: "click",
        },
        {
            trigger: ".o_field_widget[name='entry'] input[data-value='all']",
            run: "click",
        },
        ...stepUtils.saveForm(),
        {
            content: "its templates are not approved yet",
            trigger: ".o_form_view button[name='action_start']",
            run: "click",
        },
        {
            trigger: ".modal .modal-body:contains('Welcome 1')",
        },
        {trigger: ".modal-footer button:contains('Close')", run: "click"},
        {trigger: "body:not(:has(.modal))"},
        seeState("draft"),
    ],
});

registry.category("web_tour.tours").add("directmail_series_start", {
    steps: () => [press("action_start"), seeState("running")],
});

registry.category("web_tour.tours").add("directmail_series_people", {
    steps: () => [
        {
            content: "three people wait for the second mail",
            trigger:
                ".o_field_widget[name='step_ids'] .o_data_row:nth-child(2) [name='inside_count']:contains(3)",
        },
        {
            trigger: "button[name='action_view_people']:contains('Inside')",
            run: "click",
        },
        {trigger: ".o_data_cell:contains('Person 0')", run: "click"},
        {
            content: "what happened to them",
            trigger: ".o_field_widget[name='history']:contains('Welcome 1')",
        },
        {
            content: "and what comes next",
            trigger: ".o_field_widget[name='prospect']:contains('Welcome 2')",
        },
    ],
});

// The composition of an audience: a bar opens its people, and makes a new audience.
registry.category("web_tour.tours").add("directmail_composition", {
    steps: () => [
        press("action_view_composition"),
        {
            content: "a bar opens its people",
            trigger: "[data-trait='company_type'] button:contains('Person')",
            run: "click",
        },
        {trigger: ".o_data_row:contains('Person 0')"},
        {
            trigger: ".o_back_button, .breadcrumb-item:last a",
            run: "click",
        },
        {
            content: "the plus beside it makes an audience",
            trigger:
                "[data-trait='company_type'] .o_directmail_value:contains('Person') button:has(.fa-plus)",
            run: "click",
        },
        {
            content: "with a line, which is counted",
            trigger: ".o_field_widget[name='people_so_far']:contains(2)",
        },
        ...stepUtils.saveForm(),
    ],
});
