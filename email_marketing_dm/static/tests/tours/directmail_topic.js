import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

const choose = (field, value) => [
    {trigger: `${field} input`, run: `edit ${value}`},
    {trigger: `.o-autocomplete--dropdown-item a:contains("${value}")`, run: "click"},
];
const select = (field, label) => [
    {trigger: `${field} .o_select_menu_toggler`, run: "click"},
    {trigger: `.o_select_menu_item:contains("${label}")`, run: "click"},
];

// An administrator makes a topic that asks more of people in one country.
registry.category("web_tour.tours").add("directmail_topic_make", {
    steps: () => [
        ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
        {
            trigger:
                '[data-menu-xmlid="email_marketing_dm.directmail_menu_configuration"]',
            run: "click",
        },
        {
            trigger: '[data-menu-xmlid="email_marketing_dm.directmail_purpose_menu"]',
            run: "click",
        },
        {trigger: '.o_last_breadcrumb_item:contains("Topics")'},
        {trigger: ".o_list_button_add", run: "click"},
        {trigger: '.o_field_widget[name="name"] input', run: "edit Tour topic"},
        {trigger: ".o_field_x2many_list_row_add a", run: "click"},
        ...choose('.o_selected_row .o_field_widget[name="country_ids"]', "Germany"),
        ...select('.o_selected_row .o_field_widget[name="rule"]', "confirmed"),
        ...stepUtils.saveForm(),
        {trigger: '.o_data_row:contains("Germany"):contains("confirmed")'},
    ],
});

// A user records on the page of a contact that the contact refuses the topic.
registry.category("web_tour.tours").add("directmail_topic_answer", {
    steps: () => [
        {
            trigger: '.o_notebook .nav-link[name="sales_purchases"]',
            run: "click",
        },
        {
            trigger: 'button:contains("Record an answer about a topic")',
            run: "click",
        },
        ...choose('.modal .o_field_widget[name="purpose_id"]', "Tour topic"),
        {
            trigger: '.modal .o_field_widget[name="answer"] input[data-value="no"]',
            run: "click",
        },
        {
            trigger: '.modal .o_field_widget[name="note"] :is(input, textarea)',
            run: "edit By telephone",
        },
        {trigger: '.modal button[name="action_record"]', run: "click"},
        {trigger: "body:not(:has(.modal))"},
    ],
});

// The estimate of an email task about the topic says who gets no mail, and why.
registry.category("web_tour.tours").add("directmail_topic_estimate", {
    steps: () => [
        {
            trigger: 'button[name="action_open_estimate"]:not(:disabled)',
            run: "click",
        },
        {trigger: '.modal:contains("Refused this topic")'},
        {trigger: '.modal:contains("Has not agreed to this topic")'},
    ],
});
