import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

const card = (letter) => `.o_directmail_version[data-version=${letter}]`;
const seeState = (state) => ({
    trigger: `.o_field_widget[name="state"] .o_arrow_button_current[data-value="${state}"]`,
});

// A draft: add a version with another subject, set the test up, and send.
registry.category("web_tour.tours").add("directmail_versions_send", {
    steps: () => [
        {trigger: ".o_directmail_add_version button", run: "click"},
        {
            content: "version B begins as a copy of the mail",
            trigger: ".modal .o_field_widget[name=subject] input:value(News for you)",
        },
        {
            trigger: ".modal .o_field_widget[name=subject] input",
            run: "edit Only this week: news for you",
        },
        {trigger: ".modal-footer button[special=save]", run: "click"},
        {
            trigger: `body:not(:has(.modal)) ${card("B")} .o_directmail_version_subject:contains(Only this week)`,
        },
        {trigger: `${card("A")} .o_directmail_version_subject:contains(News for you)`},
        {
            trigger: ".o_field_widget[name=test_share] input",
            run: "edit 50 && click body",
        },
        {
            content: "the sentence follows before anything is saved",
            trigger: ".o_field_widget[name=test_summary]:contains(50%)",
        },
        {trigger: ".o_field_widget[name=test_power]:contains(people)"},
        ...stepUtils.saveForm(),
        {trigger: "button[name=action_open_send]", run: "click"},
        {trigger: ".modal .o_field_widget[name=test_summary]:contains(50%)"},
        {trigger: ".modal-footer button[name=action_send]", run: "click"},
        {trigger: "body:not(:has(.modal))"},
        seeState("pending"),
    ],
});

// While the test runs: read the figures, and choose a version.
registry.category("web_tour.tours").add("directmail_versions_choose", {
    steps: () => [
        {trigger: ".o_directmail_versions .badge:contains(Waiting for the decision)"},
        {trigger: `${card("A")} [data-figure=mailed]`},
        {trigger: ".o_directmail_decision:contains(in your time zone)"},
        {
            trigger: `${card("B")} button:contains(Choose this version)`,
            run: "click",
        },
        {
            trigger: ".modal-footer .btn-primary:contains(Choose version B)",
            run: "click",
        },
        {trigger: `body:not(:has(.modal)) ${card("B")} .badge:contains(Chosen)`},
        {trigger: ".o_directmail_verdict:contains(B)"},
    ],
});

// After the decision: the result in words, and the people of a version.
registry.category("web_tour.tours").add("directmail_versions_verdict", {
    steps: () => [
        {trigger: ".o_directmail_versions .badge:contains(Decided)"},
        {trigger: ".o_directmail_verdict b"},
        {trigger: `${card("A")} button:contains(People)`, run: "click"},
        {trigger: ".o_list_view .o_data_row, .o_kanban_record"},
    ],
});
