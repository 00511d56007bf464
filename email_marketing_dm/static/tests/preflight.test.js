import {
    Deferred,
    advanceTime,
    animationFrame,
    describe,
    expect,
    test,
} from "@odoo/hoot";
import {
    contains,
    defineModels,
    fields,
    makeServerError,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Template extends models.Model {
    _name = "directmail.template";

    subject = fields.Char();
    sender_name = fields.Char();
    preview_text = fields.Char();
    account_id = fields.Many2one({relation: "res.partner"});
    body_arch = fields.Html();
    body_html = fields.Html();

    _records = [{id: 1, subject: "BUY NOW", body_arch: "<p>Hi</p>"}, {id: 2}];
}

class Task extends models.Model {
    _name = "directmail.task";

    template_id = fields.Many2one({relation: "directmail.template"});
    subject = fields.Char();
    sender_name = fields.Char();
    preview_text = fields.Char();
    account_id = fields.Many2one({relation: "res.partner"});
    body_arch = fields.Html();
    body_html = fields.Html();

    _records = [{id: 5, template_id: 1, subject: "BUY NOW"}];
}

defineMailModels();
defineModels([Template, Task]);

const ERROR = {
    code: "capitals",
    level: "error",
    title: "Capitals in the subject",
    why: "Reviewers refuse them.",
    details: ["BUY"],
    fix: "capitals",
    fix_label: "Fix capitals",
};
const WARNING = {
    code: "short",
    level: "warning",
    title: "A short mail",
    why: "Readers expect more.",
    details: [],
    fix: false,
};

/** Open a template whose content has the findings that `check` returns for it. */
async function mountTemplate(check, resId = 1, resModel = "directmail.template") {
    onRpc("directmail.template", "check_content", ({args}) => check(args[1], args[0]));
    await mountView({
        type: "form",
        resModel,
        resId,
        arch: `<form>
            <field name="subject"/>
            ${resModel === "directmail.task" ? '<field name="template_id"/>' : ""}
            <widget name="directmail_preflight"/>
        </form>`,
    });
    await animationFrame();
}

async function waitForCheck() {
    await advanceTime(400);
    await animationFrame();
}

test("findings are counted and listed, those that block the review first", async () => {
    await mountTemplate(() => [WARNING, ERROR]);
    expect(".o_directmail_preflight_head").toHaveText(/Issues to fix before review: 1/);
    expect(".o_directmail_preflight_head .badge").toHaveText("Suggestions: 1");
    expect(".o_directmail_finding:first").toHaveAttribute("data-code", "capitals");
    expect(".o_directmail_finding:first code").toHaveText("BUY");
    expect(".o_directmail_finding:last").toHaveAttribute("data-code", "short");
});

test("what blocks the review is explained, a suggestion after a click", async () => {
    await mountTemplate(() => [ERROR, WARNING]);
    expect("[data-code=capitals]").toHaveText(/Reviewers refuse them/);
    expect("[data-code=short]").not.toHaveText(/Readers expect more/);
    await contains("[data-code=short] a").click();
    expect("[data-code=short]").toHaveText(/Readers expect more/);
    await contains("[data-code=short] a").click();
    expect("[data-code=short]").not.toHaveText(/Readers expect more/);
});

test("suggestions alone leave a template ready for review", async () => {
    await mountTemplate(() => [WARNING]);
    expect(".o_directmail_preflight_head").toHaveText(/Ready for review/);
    expect(".o_directmail_finding").toHaveCount(1);
});

test("an empty template shows what the list is for, and no findings", async () => {
    await mountTemplate(() => [ERROR], 2);
    expect(".o_directmail_preflight").toHaveText(/Checks before review/);
    expect(".o_directmail_preflight").toHaveText(/While you write/);
    expect(".o_directmail_finding").toHaveCount(0);
});

test("what is typed is checked before the field is left", async () => {
    await mountTemplate(({subject}) => (subject === "BUY NOW" ? [ERROR] : []));
    await contains("[name=subject] input").edit("Our offer", {confirm: false});
    expect(".o_directmail_finding").toHaveCount(1);
    await waitForCheck();
    expect(".o_directmail_finding").toHaveCount(0);
});

test("a repair changes the form, which is checked again", async () => {
    onRpc("directmail.template", "repair_content", ({args}) => {
        expect.step(`repair ${args[2]} of ${args[0]}`);
        return {subject: "Buy now"};
    });
    await mountTemplate(({subject}) => (subject === "BUY NOW" ? [ERROR] : []));
    await contains("button:contains(Fix capitals)").click();
    await waitForCheck();
    expect.verifySteps(["repair capitals of 1"]);
    expect("[name=subject] input").toHaveValue("Buy now");
    expect(".o_directmail_preflight_head").toHaveText(/Ready for review/);
});

test("heavy pictures are shrunk by a call that may store the smaller ones", async () => {
    onRpc("directmail.template", "shrink_pictures", ({args}) => {
        expect.step(`shrink ${args[1].body_arch} of ${args[0]}`);
        return {body_arch: "<p>Small</p>"};
    });
    await mountTemplate(({body_arch}) =>
        body_arch === "<p>Hi</p>"
            ? [{...WARNING, fix: "shrink_pictures", fix_label: "Shrink"}]
            : []
    );
    await contains("button:contains(Shrink)").click();
    await waitForCheck();
    expect.verifySteps(["shrink <p>Hi</p> of 1"]);
    expect(".o_directmail_finding").toHaveCount(0);
});

test("checks that are not available say so, until the next change", async () => {
    let available = false;
    await mountTemplate(() => {
        if (!available) {
            throw makeServerError({message: "out of reach"});
        }
        return [];
    });
    expect(".o_directmail_preflight").toHaveText(/not available at the moment/);
    available = true;
    await contains("[name=subject] input").edit("Our offer");
    await waitForCheck();
    expect(".o_directmail_preflight").not.toHaveText(/not available at the moment/);
});

test("the content of an email task is checked as of its template", async () => {
    await mountTemplate(
        ({subject}, ids) => {
            expect.step(`${subject} of template ${ids}`);
            return [];
        },
        5,
        "directmail.task"
    );
    expect.verifySteps(["BUY NOW of template 1"]);
});

test("a fix can be undone, until somebody changes what it changed", async () => {
    onRpc("directmail.template", "repair_content", () => ({subject: "Buy now"}));
    await mountTemplate(({subject}) => (subject === "BUY NOW" ? [ERROR] : []));
    await contains("button:contains(Fix capitals)").click();
    await waitForCheck();
    expect(".o_directmail_undo").toHaveText(/Done: Fix capitals/);
    await contains(".o_directmail_undo button").click();
    await waitForCheck();
    expect("[name=subject] input").toHaveValue("BUY NOW");
    expect(".o_directmail_undo").toHaveCount(0);
    expect(".o_directmail_finding").toHaveCount(1);

    await contains("button:contains(Fix capitals)").click();
    await waitForCheck();
    await contains("[name=subject] input").edit("Buy soon");
    await waitForCheck();
    expect(".o_directmail_undo").toHaveCount(0);
});

test("a fix that finds nothing to change says so", async () => {
    onRpc("directmail.template", "repair_content", () => ({}));
    await mountTemplate(() => [ERROR]);
    await contains("button:contains(Fix capitals)").click();
    await animationFrame();
    expect(".o_notification").toHaveText(/can't be fixed automatically/);
    expect(".o_directmail_undo").toHaveCount(0);
});

const CHECKED = "2026-03-01 10:00:00";
const LINKS = {links: 3, pages: 0, done: 0, checked_at: false, gone: [], unclear: []};

test("links are checked once, however often the button is pressed", async () => {
    let progress = LINKS;
    const pressed = new Deferred();
    onRpc("directmail.template", "get_link_progress", () => progress);
    onRpc("directmail.template", "check_links", async ({args}) => {
        expect.step(`check ${args[0]}`);
        await pressed;
        progress = {...LINKS, pages: 3, done: 1, checked_at: CHECKED};
        return progress;
    });
    await mountTemplate(() => []);
    expect(".o_directmail_links").toHaveText(/Links not checked yet: 3/);
    await contains(".o_directmail_links button:contains(Check the links)").click();
    expect(".o_directmail_links button").not.toBeEnabled();
    pressed.resolve();
    await animationFrame();
    expect(".o_directmail_links").toHaveText(/Links checked: 1 of 3/);
    expect(".o_directmail_links button").not.toBeEnabled();
    progress = {...progress, done: 3};
    await advanceTime(2000);
    await animationFrame();
    expect(".o_directmail_links").toHaveText(/Links checked: 3, /);
    expect(".o_directmail_links button:contains(Check again)").toBeEnabled();
    expect.verifySteps(["check 1"]);
});

test("a mail without links says so when they are to be checked", async () => {
    const progress = {...LINKS, links: 0};
    onRpc("directmail.template", "get_link_progress", () => progress);
    onRpc("directmail.template", "check_links", () => progress);
    await mountTemplate(() => []);
    expect(".o_directmail_links [role=status]").toHaveText("");
    await contains(".o_directmail_links button:contains(Check the links)").click();
    await animationFrame();
    expect(".o_directmail_links [role=status]").toHaveText(
        "The mail has no links to check."
    );
    expect(".o_directmail_links button:contains(Check the links)").toBeEnabled();
    await contains("[name=subject] input").edit("Another subject", {confirm: "blur"});
    await animationFrame();
    expect(".o_directmail_links [role=status]").toHaveText("");
});

test("links that could not be checked are named with address and reason", async () => {
    const url = "https://members.example.com/";
    onRpc("directmail.template", "get_link_progress", () => ({
        ...LINKS,
        pages: 3,
        done: 3,
        checked_at: CHECKED,
        unclear: [{url, title: "Members", reason: "The site asks for a log-in."}],
    }));
    await mountTemplate(() => []);
    expect(".o_directmail_unclear a").toHaveAttribute("href", url);
    expect(".o_directmail_unclear a").toHaveAttribute("rel", "noopener noreferrer");
    expect(".o_directmail_unclear li").toHaveText(/asks for a log-in/);
    expect(".o_directmail_finding").toHaveCount(0);
});
