import {registry} from "@web/core/registry";

registry.category("web_tour.tours").add("directmail_busy", {
    steps: () => [
        {trigger: "button[name='action_refresh']:not(:disabled)", run: "click"},
        {
            content:
                "the sentence itself, which the dialog of a fault hides behind a button",
            trigger: ".modal [role='alert']:contains('at the moment')",
        },
        {trigger: ".modal-footer .o-default-button", run: "click"},
        {trigger: "body:not(:has(.modal))"},
    ],
});
