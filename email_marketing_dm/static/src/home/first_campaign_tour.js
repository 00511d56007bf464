import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {tourState} from "@web_tour/js/tour_state";

export const TOUR = "directmail_first_campaign";
const goBack = (content) => ({trigger: ".o_back_button", content, run: "click"});
const press = (name, content) => ({
    trigger: `.o_form_view button[name="${name}"]:not(:disabled)`,
    content,
    run: "click",
});
const getStepButton = (name) =>
    `.o_email_marketing_dm_home li[data-step="${name}"] button`;
const pressStep = (name, content) => ({
    trigger: getStepButton(name),
    content,
    run: "click",
});
/** Points to the first of several choices; a click on any of them goes on. */
const choose = (choice, choices, content) => ({
    trigger: `${choice}, ${choices}`,
    content,
    run: "click",
});

/** Bubbles from Home through one of its steps, and back to Home or on to the next step. */
const STEPS = {
    connect: () => [
        pressStep("connect", _t("Start here: connect DirectMail.")),
        press(
            "action_activate",
            _t(
                "Enter the AccessKey of your DirectMail account, then activate the account."
            )
        ),
        goBack(_t("The account is active. Go back to Home.")),
    ],
    people: () => [
        pressStep("people", _t("Choose who gets the mail.")),
        {
            trigger: '.o_form_view .o_field_widget[name="name"] input',
            content: _t("Give your audience a name, for example “Newsletter”."),
            run: "edit Newsletter",
        },
        // Odoo shows no bubbles in dialogs, so this one speaks of what the dialog is for, too.
        choose(
            // in the list, or above the cards on a phone
            ".o_form_view .o_field_x2many_list_row_add a",
            ".o_form_view .o_field_x2many_list_row_add, .o_form_view .o_field_x2many .o-kanban-button-new",
            _t(
                "Say who is in the audience. As it is, a line takes all contacts: narrow it" +
                    " down if you like, then save the line."
            )
        ),
        press(
            "action_refresh",
            _t("Refresh the audience: Odoo now collects its people.")
        ),
        goBack(_t("Your audience is ready. Go back to Home.")),
    ],
    design: () => [
        pressStep("design", _t("Choose what your mail looks like.")),
        choose(
            ".o_directmail_gallery .o_kanban_record",
            ".o_directmail_gallery .o_kanban_renderer",
            _t("Choose a design. Everything in it can be changed.")
        ),
    ],
    review: () => [
        press(
            "action_submit",
            _t(
                "Write your mail, and replace everything that is marked as an example. Then" +
                    " submit the template: DirectMail reviews it before it can be sent."
            )
        ),
    ],
    send: () => [
        press(
            "action_open_send",
            _t(
                "Check the people, the mail and the time, then send. You confirm the number of" +
                    " people first. If the review is not finished, the email task waits for it."
            )
        ),
    ],
};
let todo = Object.keys(STEPS);
let isTrial = false;

/** The bubbles of the steps in `todo`. */
function makeSteps() {
    return todo.flatMap((name) => {
        const steps = STEPS[name]();
        if (name === "review" && !todo.includes("design")) {
            steps.unshift(
                pressStep("review", _t("Open the template and submit it for review."))
            );
        } else if (name === "send" && todo.includes("review")) {
            steps.unshift(
                press(
                    "action_new_task",
                    isTrial
                        ? _t(
                              "The emulator approves the template in a moment. You need" +
                                  " not wait for it: create the email task now."
                          )
                        : _t(
                              "The review takes one to three working days. You need not" +
                                  " wait for it: create the email task now."
                          )
                )
            );
        } else if (name === "send") {
            steps.unshift(
                pressStep("send", _t("Create the email task that sends your mail."))
            );
        }
        return steps;
    });
}

registry.category("web_tour.tours").add(TOUR, {steps: makeSteps});

/** The names of Home's steps that are left to do. */
const getLeft = (steps) =>
    steps
        .filter(({state}) => state === "now" || state === "later")
        .map(({name}) => name);

/**
 * Show the bubbles of what is left to do, by Odoo's tours.
 *
 * Starting a tour by hand enables the tours of all apps for the user. This is undone at once, so
 * that no other tour begins. It also means that loading the page anew ends this tour.
 *
 * @param {Object} services - `orm` and `tour_service`
 * @param {Boolean} enabled - whether the user has tours switched on
 * @param {Object} data - of Home, as of `directmail.home.get_home`
 */
export async function showFirstCampaign({orm, tour_service}, enabled, {steps, trial}) {
    todo = getLeft(steps);
    isTrial = Boolean(trial && !trial.is_over);
    await tour_service.startTour(TOUR, {
        mode: "manual",
        redirect: false,
        rainbowManMessage: _t("That was your first campaign. Its results appear here."),
    });
    if (!enabled) {
        await orm.call("res.users", "switch_tour_enabled", [false]);
    }
}

/**
 * Whether the tour waits for a step of Home that was done in another way than the bubbles show.
 *
 * For example, *Try it out* does the step "Connect" without the form to which the bubbles lead.
 *
 * @param {Object[]} steps - Home's steps
 */
export function isFirstCampaignStuck(steps) {
    if (tourState.getCurrentTour() !== TOUR) {
        return false;
    }
    const {trigger} = makeSteps()[tourState.getCurrentIndex()] || {};
    const awaited = todo.find((name) => getStepButton(name) === trigger);
    return Boolean(awaited) && !getLeft(steps).includes(awaited);
}
