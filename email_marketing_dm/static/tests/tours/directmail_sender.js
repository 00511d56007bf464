import {registry} from "@web/core/registry";

const press = (name) => ({
    trigger: `button[name="${name}"]:visible:not(:disabled)`,
    run: "click",
});
const noDialog = {trigger: "body:not(:has(.modal))"};

// An administrator checks the DNS records of a sender address: DMARC is missing.
registry.category("web_tour.tours").add("directmail_sender_dns", {
    steps: () => [
        press("action_check_domain"),
        {
            trigger:
                '.o_field_widget[name="dns_table"] tr:contains("SPF"):contains("Verified")',
        },
        {
            trigger:
                '.o_field_widget[name="dns_table"] tr:contains("DMARC"):contains("Missing or wrong")',
        },
    ],
});

// A warm-up: offered, started with other numbers, and ended.
registry.category("web_tour.tours").add("directmail_sender_warm_up", {
    steps: () => [
        {trigger: '.o_field_widget[name="warmup_offer"]:contains("A warm-up limits")'},
        press("action_warm_up"),
        {
            trigger: '.modal .o_field_widget[name="start"] input',
            run: "edit 200 && press Tab",
        },
        {
            content: "the limits follow the number",
            trigger: '.modal .o_field_widget[name="plan"]:contains("200")',
        },
        {trigger: '.modal button[name="action_start"]:visible', run: "click"},
        noDialog,
        {trigger: '.o_field_widget[name="warmup_today"]:contains("200")'},
        press("action_end_warm_up"),
        {trigger: ".modal-footer .btn-primary", run: "click"},
        noDialog,
        {trigger: 'button[name="action_warm_up"]:visible:contains("Warm-up")'},
        {trigger: '.o_field_widget[name="warmup_ended"]'},
    ],
});

// The guard: a user sees which limits are exceeded, and the people behind it.
registry.category("web_tour.tours").add("directmail_sender_guard", {
    steps: () => [
        {
            trigger:
                '.o_field_widget[name="company_guard_level"]:contains("Limit exceeded")',
        },
        {trigger: "body:not(:has(.o_field_widget[name='guard_level']:visible))"},
        press("action_view_company_troubles"),
        {trigger: '.o_last_breadcrumb_item:contains("Complaints and invalid")'},
        {trigger: ".o_group_header:contains('Spring mailing')", run: "click"},
        {trigger: ".o_data_row:contains('tour-1@example.com')"},
    ],
});
