import {registry} from "@web/core/registry";

// A step of a tour has ten seconds by default, which a busy machine may need for one page.
// As long as Odoo allows, so that a step ends in time unless it hangs.
const PATIENCE = 60000;
const tours = registry.category("web_tour.tours");

function giveTime(name, tour) {
    const steps = () => tour.steps().map((step) => ({timeout: PATIENCE, ...step}));
    tours.add(name, {...tour, steps}, {force: true});
}

// Odoo loads this file after the tours, whose names come before its own.
for (const [name, tour] of tours.getEntries()) {
    if (name.startsWith("directmail_")) {
        giveTime(name, tour);
    }
}
