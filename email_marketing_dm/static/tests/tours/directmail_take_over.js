import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("directmail_take_over", {
    steps: () => [
        {
            content: "the reader is the one who is asked",
            trigger: ".o_form_view .alert:contains('You are the new owner')",
        },
        {trigger: "button[name='action_take_over']", run: "click"},
        {trigger: ".o_form_view:not(:has(button[name='action_take_over']))"},
    ],
});
