import {registry} from "@web/core/registry";

const COUNT = ".modal b.o_directmail_follow_up_count";

// A task that is done: Follow up, read the numbers, create the follow-up.
registry.category("web_tour.tours").add("directmail_follow_up", {
    steps: () => [
        {trigger: ".o_statusbar_buttons button:contains(Generate audience)"},
        {
            trigger: ".o_statusbar_buttons button[name=action_follow_up]",
            run: "click",
        },
        {trigger: `${COUNT}[data-value=joined]:contains(1)`},
        {trigger: `${COUNT}[data-value=not_opened]:contains(3)`},
        {trigger: `${COUNT}[data-value=not_clicked]:contains(4)`},
        {trigger: `${COUNT}[data-value=failed_temporarily]:contains(0)`},
        {trigger: ".modal input[data-value=joined]:checked"},
        {trigger: ".modal input[data-value=same]:checked"},
        {
            trigger: ".modal button[name=action_create]",
            run: "click",
        },
        {trigger: "body:not(:has(.modal)) .o_field_widget[name=origin_id]"},
    ],
});
