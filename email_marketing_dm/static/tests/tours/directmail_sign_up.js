import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

// An administrator makes a sign-up form for a topic.
registry.category("web_tour.tours").add("directmail_sign_up", {
    steps: () => [
        ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
        {
            trigger:
                '[data-menu-xmlid="email_marketing_dm.directmail_menu_configuration"]',
            run: "click",
        },
        {
            trigger:
                '[data-menu-xmlid="email_marketing_dm.directmail_signup_form_menu"]',
            run: "click",
        },
        {trigger: '.o_last_breadcrumb_item:contains("Sign-up forms")'},
        {trigger: ".o_list_button_add", run: "click"},
        {trigger: '.o_field_widget[name="name"] input', run: "edit Tour form"},
        {trigger: '.o_field_widget[name="purpose_ids"] input', run: "edit Offers"},
        {
            trigger: '.o-autocomplete--dropdown-item a:contains("Offers")',
            run: "click",
        },
        {trigger: '.o_field_widget[name="purpose_ids"] .o_tag:contains("Offers")'},
        ...stepUtils.saveForm(),
        {
            content: "what can be copied to a website",
            trigger: '.o_field_widget[name="page_url"]:contains("/directmail/signup/")',
        },
        {trigger: 'button[name="action_open_page"]'},
    ],
});

// Somebody has signed up and confirmed: from the form to the answer with its proof.
registry.category("web_tour.tours").add("directmail_sign_up_result", {
    steps: () => [
        {
            trigger: '.oe_stat_button:contains("Confirmed"):contains("1")',
            run: "click",
        },
        {trigger: '.o_data_row .o_data_cell:contains("zoe@")', run: "click"},
        {
            trigger:
                '.o_field_widget[name="partner_id"] .o_form_uri, .o_field_widget[name="partner_id"] a',
            run: "click",
        },
        {trigger: 'button[name="action_view_directmail_consents"]', run: "click"},
        {trigger: '.o_data_row:contains("Offers"):contains("Confirmed")'},
    ],
});
