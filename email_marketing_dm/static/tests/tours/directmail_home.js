import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

const openHome = [
    ...stepUtils.goToAppSteps("email_marketing_dm.directmail_menu_root"),
    {
        content: "the app opens with Home",
        trigger: ".o_email_marketing_dm_home",
    },
];
const pressStep = (step) => ({
    trigger: `li[data-step="${step}"][data-state="now"] button`,
    run: "click",
});
const discard = [
    {trigger: ".o_form_button_cancel", run: "click"},
    {trigger: "body:not(:has(.o_form_button_cancel:visible))"},
];

registry.category("web_tour.tours").add("directmail_home_design", {
    steps: () => [
        ...openHome,
        {trigger: `li[data-step="people"][data-state="done"]`},
        pressStep("design"),
        {trigger: ".o_directmail_gallery .o_kanban_record:first", run: "click"},
        {
            content: "the design's subject is filled in",
            trigger:
                ".o_form_view .o_field_widget[name='subject'] :is(input, textarea)",
            run({anchor}) {
                if (!anchor.value) {
                    throw new Error("The design was not taken over.");
                }
            },
        },
        ...discard,
    ],
});

registry.category("web_tour.tours").add("directmail_home_task", {
    steps: () => [
        ...openHome,
        {trigger: `li[data-step="review"][data-state="waiting"]`},
        pressStep("send"),
        {
            content: "audience, template and sender are filled in",
            trigger:
                ".o_form_view .o_field_widget[name='audience_ids']:contains('Home audience')",
        },
        {
            trigger: ".o_field_widget[name='template_id'] input",
            run({anchor}) {
                if (anchor.value !== "Home template") {
                    throw new Error(`The template is ${anchor.value}.`);
                }
            },
        },
        {
            trigger: ".o_field_widget[name='sender_id'] input",
            run({anchor}) {
                if (!anchor.value.includes("@")) {
                    throw new Error("The sender address is not filled in.");
                }
            },
        },
        {
            trigger: ".o_field_widget[name='name'] :is(input, textarea)",
            run: "edit Home task",
        },
        ...stepUtils.saveForm(),
    ],
});

const openTrial = [
    ...openHome,
    {
        content: "click 1",
        trigger: `li[data-step="connect"] button:contains("Try it out")`,
        run: "click",
    },
];

registry.category("web_tour.tours").add("directmail_home_trial", {
    steps: () => [
        ...openTrial,
        {trigger: ".modal .alert-success:contains('The emulator is running')"},
        {
            content: "click 2",
            trigger: ".modal button[name='action_start']",
            run: "click",
        },
        {trigger: `li[data-step="connect"][data-state="done"]`},
        {trigger: "[data-section='trial']:contains('no mail leaves this server')"},
        {
            trigger: "[data-section='trial'] button:contains('End the trial')",
            run: "click",
        },
        {trigger: `li[data-step="connect"][data-state="now"]`},
        {trigger: "body:not(:has([data-section='trial']))"},
    ],
});

registry.category("web_tour.tours").add("directmail_home_no_emulator", {
    steps: () => [
        ...openTrial,
        {trigger: ".modal .alert-warning:contains('python -m directmail_emulator')"},
        {trigger: ".modal:not(:has(button[name='action_start']:visible))"},
        {trigger: ".modal button[name='action_look_again']", run: "click"},
        {trigger: ".modal .alert-warning:contains('is not running')"},
        {trigger: ".modal button:contains('Close')", run: "click"},
        {trigger: "body:not(:has(.modal))"},
    ],
});
