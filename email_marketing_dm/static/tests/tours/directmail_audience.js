import {registry} from "@web/core/registry";
import {stepUtils} from "@web_tour/tour_utils";

const openLine = {trigger: ".o_data_cell:contains('Contacts')", run: "click"};
const writeFilter = (ref) => ({
    content: "write the filter, as developers and tours do",
    trigger: ".modal .o_domain_selector_debug_container textarea",
    run: `edit [('ref', '=', '${ref}')] && press Tab`,
});
const saveLine = {trigger: ".modal-footer .o_form_button_save", run: "click"};
const noDialog = {trigger: "body:not(:has(.modal))"};
const seeFigures = (people) => [
    {trigger: `.o_field_widget[name='people_so_far']:contains(/^${people}$/)`},
    {
        trigger: `.o_directmail_people:contains(/^${people}$/)`,
    },
];
const seeFiguresBehind = (people) => ({
    content: "counted before the dialog is closed, so that closing it changes nothing",
    trigger: `body:has(.o_field_widget[name='people_so_far']:contains(/^${people}$/)) .modal`,
});

registry.category("web_tour.tours").add("directmail_audience_edit", {
    steps: () => [
        ...seeFigures(3),
        openLine,
        writeFilter("dm-one"),
        seeFiguresBehind(1),
        saveLine,
        noDialog,
        {
            content: "a saved line that was changed is counted as it is now",
            trigger: ".o_form_status_indicator .o_form_button_save",
        },
        ...seeFigures(1),
        openLine,
        writeFilter("dm-two"),
        saveLine,
        noDialog,
        ...seeFigures(2),
        openLine,
        writeFilter("dm-one"),
        seeFiguresBehind(1),
        {trigger: ".modal-footer .o_form_button_cancel", run: "click"},
        noDialog,
        {
            content: "and what was given up counts no more",
            trigger: ".o_data_row:contains('dm-two')",
        },
        ...seeFigures(2),
        ...stepUtils.saveForm(),
        ...seeFigures(2),
    ],
});
