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
