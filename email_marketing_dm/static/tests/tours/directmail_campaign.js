import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

const openMenu = (xmlid, title) => [
    ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
    {trigger: `[data-menu-xmlid="email_marketing_dm.${xmlid}"]`, run: "click"},
    {trigger: `.o_last_breadcrumb_item:contains("${title}")`},
];
const openTasks = () => [
    ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
    {
        trigger: "[data-menu-xmlid='email_marketing_dm.directmail_task_menu']",
        run: "click",
    },
    {
        trigger: "[data-menu-xmlid='email_marketing_dm.directmail_task_all_menu']",
        run: "click",
    },
    {trigger: ".o_last_breadcrumb_item:contains('Email tasks')"},
];
const fill = (name, value) => ({
    trigger: `.o_field_widget[name="${name}"] :is(input, textarea)`,
    run: `edit ${value}`,
});
const choose = (name, value) => [
    fill(name, value),
    {trigger: `.o-autocomplete--dropdown-item a:contains("${value}")`, run: "click"},
];
const press = (name) => ({
    trigger: `button[name="${name}"]:not(:disabled)`,
    run: "click",
});
const seeState = (state) => ({
    trigger: `.o_field_widget[name="state"] .o_arrow_button_current[data-value="${state}"]`,
});

registry.category("web_tour.tours").add("directmail_prepare", {
    steps: () => [
        ...openMenu("directmail_audience_menu", "Audiences"),
        {trigger: ".o_list_button_add", run: "click"},
        fill("name", "Tour audience"),
        {trigger: ".o_field_x2many_list_row_add a", run: "click"},
        {
            content: "the first line has no line above to combine with",
            trigger:
                ".modal:has(.o_field_widget[name='kind']):not(:has(.o_field_widget[name='operator']))",
        },
        {
            content: "write the filter, as developers and tours do",
            trigger: ".modal .o_domain_selector_debug_container textarea",
            run: "edit [('ref', '=', 'dm-tour')]",
        },
        {trigger: ".modal-footer .o_form_button_save", run: "click"},
        {
            content: "the line is counted before it is saved",
            trigger: ".o_field_widget[name='people_so_far']:contains(4)",
        },
        {trigger: ".o_directmail_mailable:contains(3)"},
        ...stepUtils.saveForm(),
        press("action_refresh"),
        {
            content: "four people, three of them with an address",
            trigger: ".o_field_widget[name='people_count'] .o_stat_value:contains(4)",
        },
        {trigger: ".o_field_widget[name='usable_count'] .o_stat_value:contains(3)"},
        ...openMenu("directmail_template_menu", "Templates"),
        {trigger: ".o-kanban-button-new", run: "click"},
        fill("name", "Tour template"),
        fill("subject", "News for you"),
        fill("sender_name", "Azure"),
        {
            content: "choose a theme of the builder, with rights of a marketing user",
            trigger: ".o_mail_theme_selector [data-name='newsletter']",
            run: "click",
        },
        {trigger: ":iframe .o_mail_wrapper"},
        ...stepUtils.saveForm(),
        press("action_submit"),
        seeState("in_review"),
    ],
});

registry.category("web_tour.tours").add("directmail_send", {
    steps: () => [
        ...openMenu("directmail_template_menu", "Templates"),
        {trigger: ".o_kanban_record:contains('Tour template')", run: "click"},
        press("action_check_review"),
        seeState("approved"),
        ...openTasks(),
        {trigger: ".o_list_button_add", run: "click"},
        fill("name", "Tour task"),
        {
            content: "by keyboard: what is missing is listed, and leads to its field",
            trigger: ".o_form_view button[name='action_open_send']",
            run: "press alt+v",
        },
        {trigger: ".o_directmail_missing[data-field='subject']"},
        {trigger: ".o_directmail_missing[data-field='audience_ids']", run: "click"},
        {trigger: ".o_field_widget[name='audience_ids'] input:focus"},
        ...choose("audience_ids", "Tour audience"),
        ...choose("template_id", "Tour template"),
        {
            content: "the first sender address that can send is chosen already",
            trigger:
                ".o_field_widget[name='sender_id'] input:value(news@mail.example.com)",
        },
        {trigger: ".o_directmail_reach:contains(At most 3 of 4)"},
        {trigger: ".o_directmail_inbox_text:contains(News for you)"},
        ...stepUtils.saveForm(),
        press("action_open_send"),
        {
            content: "three of the four will get it, and one has no address",
            trigger: ".modal .o_field_widget[name='headline']:contains(3)",
        },
        {trigger: ".modal tr:contains('No email address'):contains(1)"},
        {trigger: ".modal-footer button[name='action_send']:contains(3)", run: "click"},
        seeState("pending"),
    ],
});

registry.category("web_tour.tours").add("directmail_results", {
    steps: () => [
        ...openTasks(),
        {trigger: ".o_data_cell:contains('Tour task')", run: "click"},
        seeState("done"),
        press("action_import_results"),
        {trigger: ".o_notification:contains(New results: delivered 2)"},
        {trigger: ".o_field_widget[name='delivered_count'] .o_stat_value:contains(2)"},
        {
            content: "open the people behind a figure",
            trigger: ".o_directmail_progress button[data-figure='invalid']",
            run: "click",
        },
        {trigger: ".o_data_row:contains('bounce.ben@example.com')"},
    ],
});
