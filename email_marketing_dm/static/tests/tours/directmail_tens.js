import {registry} from "@web/core/registry";

// An email task of which the reader is told figures in tens, paused before its first mail.
registry.category("web_tour.tours").add("directmail_tens", {
    steps: () => [
        {trigger: ".o_directmail_tens:contains(rounded down to tens)"},
        {
            trigger:
                ".o_directmail_progress button[data-figure='waiting']:contains(about)",
        },
        {
            trigger:
                ".o_directmail_progress button[data-figure='suppressed']:contains(fewer than 30)",
        },
        {trigger: ".oe_stat_button:contains(People) .o_stat_value:contains(about)"},
        {
            trigger:
                ".oe_stat_button:contains(Suppressed) .o_stat_value:contains(fewer than 30)",
        },
        {
            trigger: ".oe_stat_button:contains(Suppressed)",
            run: "click",
        },
        {trigger: ".o_nocontent_help:contains(was submitted to DirectMail)"},
    ],
});
