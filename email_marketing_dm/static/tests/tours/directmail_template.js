import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

const openTemplates = () => [
    ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
    {
        trigger: `[data-menu-xmlid="email_marketing_dm.directmail_template_menu"]`,
        run: "click",
    },
    {trigger: `.o_last_breadcrumb_item:contains("Templates")`},
];
const openTemplate = (name) => [
    ...openTemplates(),
    {trigger: `.o_kanban_record:contains("${name}")`, run: "click"},
];
const fill = (name, value) => ({
    trigger: `.o_field_widget[name="${name}"] :is(input, textarea)`,
    run: `edit ${value}`,
});
const press = (name) => ({
    trigger: `button[name="${name}"]:not(:disabled)`,
    run: "click",
});
const seeState = (state) => ({
    trigger: `.o_field_widget[name="state"] .o_arrow_button_current[data-value="${state}"]`,
});
const builderReady = {trigger: ":iframe .o_mail_wrapper_td p", timeout: 30000};

registry.category("web_tour.tours").add("directmail_template_write", {
    steps: () => [
        ...openTemplates(),
        {trigger: "button:contains('New from design')", run: "click"},
        {trigger: ".o_kanban_record:contains('Product launch')", run: "click"},
        builderReady,
        fill("name", "Tour launch"),
        {
            content: "a sender name that is too long can be mended",
            trigger: ".o_directmail_preflight[data-checked='yes'][data-errors='0']",
            timeout: 30000,
        },
        {
            content:
                "any field of a contact can be a placeholder, whoever may write QWeb",
            trigger: ".o_field_widget[name='subject'] input",
            run({anchor}) {
                anchor.focus();
                anchor.dispatchEvent(
                    new KeyboardEvent("keydown", {key: "#", bubbles: true})
                );
            },
        },
        {trigger: ".o_model_field_selector_popover_item:contains('RFM type')"},
        {trigger: ".o_model_field_selector_popover_close", run: "click"},
        fill("subject", "NOW OR NEVER, DEAR FRIENDS"),
        {
            content: "what is said about it comes while one writes",
            trigger:
                ".o_directmail_finding[data-code='shouting'] button[data-fix='calm_subject']",
            run: "click",
        },
        {trigger: ".o_directmail_preflight:not(:has([data-code='shouting']))"},
        {trigger: ".o_directmail_preview_button", run: "click"},
        {trigger: ".o_directmail_preview_subject:contains('Now or never')"},
        {trigger: ".o_directmail_preview button:contains('Mobile')", run: "click"},
        {trigger: ".o_directmail_preview .o_phone iframe"},
        {trigger: ".modal-header .btn-close", run: "click"},
        {trigger: "body:not(:has(.modal))"},
        ...stepUtils.saveForm(),
    ],
});

registry.category("web_tour.tours").add("directmail_template_mend", {
    steps: () => [
        ...openTemplate("Tour launch"),
        {
            content: "the unsubscribe link was taken out of the body",
            trigger:
                ".o_directmail_finding[data-code='no_unsubscribe'] button[data-fix='add_footer']",
            timeout: 30000,
            run: "click",
        },
        {trigger: ".o_directmail_preflight[data-errors='0']", timeout: 30000},
        builderReady,
        {trigger: ":iframe a[href='/unsubscribe_from_list']", timeout: 30000},
        {
            content: "a fix can be undone, also when the builder has tidied the body",
            trigger: ".o_directmail_undo button",
            run: "click",
        },
        {
            trigger:
                ".o_directmail_finding[data-code='no_unsubscribe'] button[data-fix='add_footer']",
            timeout: 30000,
            run: "click",
        },
        {trigger: ".o_directmail_preflight[data-errors='0']", timeout: 30000},
        builderReady,
        {trigger: ":iframe a[href='/unsubscribe_from_list']", timeout: 30000},
        ...stepUtils.saveForm(),
        press("action_submit"),
        seeState("in_review"),
    ],
});

registry.category("web_tour.tours").add("directmail_template_correct", {
    steps: () => [
        ...openTemplate("Tour launch"),
        press("action_check_review"),
        {trigger: ".alert-danger:contains('Say who you are.')"},
        builderReady,
        fill("sender_name", "Azure Interior"),
        ...stepUtils.saveForm(),
        press("action_submit"),
        seeState("in_review"),
    ],
});
