import {advanceTime, animationFrame, describe, expect, test} from "@odoo/hoot";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

class Audience extends models.Model {
    _name = "directmail.audience";

    line_ids = fields.One2many({
        relation: "directmail.audience.line",
        relation_field: "audience_id",
    });
    company_id = fields.Many2one({relation: "res.company"});

    _records = [{id: 1, line_ids: [1, 2]}];
}

class Line extends models.Model {
    _name = "directmail.audience.line";

    audience_id = fields.Many2one({relation: "directmail.audience"});
    operator = fields.Selection({
        selection: [
            ["or", "or"],
            ["and", "and also"],
        ],
    });
    domain = fields.Char();
    people = fields.Integer();
    people_so_far = fields.Integer();

    _records = [
        {id: 1, operator: "or", domain: "[]"},
        {id: 2, operator: "and", domain: "[]"},
    ];
}

defineMailModels();
defineModels([Audience, Line]);

const WHOLE = {people: 20, about: false, mailable: 17, reasons: [], tens: false};

/** Open an audience whose figures are what the server answers, and wait for them. */
async function mountAudience({line = {}, whole = WHOLE, readonly = 0}) {
    onRpc("directmail.audience", "count_line", ({args}) =>
        typeof line === "function" ? line(args) : line
    );
    onRpc("directmail.audience", "count_all", () => whole);
    await mountView({
        type: "form",
        resModel: "directmail.audience",
        resId: 1,
        arch: `<form>
            <field name="line_ids" widget="directmail_audience_lines" readonly="${readonly}">
                <list editable="bottom">
                    <field name="operator" widget="directmail_line_operator"/>
                    <field name="domain"/>
                    <field name="people" widget="directmail_line_count"/>
                    <field name="people_so_far" widget="directmail_line_count"/>
                </list>
            </field>
        </form>`,
    });
    await waitForFigures();
}

async function waitForFigures() {
    await advanceTime(400);
    await animationFrame();
}

test("each line shows its people, and the people so far", async () => {
    await mountAudience({
        line: ([, , number]) =>
            number === 0
                ? {people: 1200, so_far: 1200, about: true}
                : {people: 30, so_far: 20, about: false},
    });
    expect(".o_data_row:first td[name=people]").toHaveText("about 1,200");
    expect(".o_data_row:last td[name=people]").toHaveText("30");
    expect(".o_data_row:last td[name=people_so_far]").toHaveText("20");
});

test("the first line starts, and the others say how they are combined", async () => {
    await mountAudience({});
    expect(".o_data_row:first td[name=operator]").toHaveText("start with");
    expect(".o_data_row:last td[name=operator]").toHaveText("and also");
});

test("the audience shows its people, who can be mailed, and why others can't", async () => {
    await mountAudience({whole: {...WHOLE, reasons: [["No address", 3]]}});
    expect(".o_directmail_people").toHaveText("20");
    expect(".o_directmail_mailable").toHaveText("17");
    expect(".o_directmail_audience_whole").toHaveText(/No address: 3/);
});

test("people of whom lines know nothing are counted", async () => {
    await mountAudience({whole: {...WHOLE, left_out: "Not known: 3."}});
    expect(".o_directmail_left_out").toHaveText("Not known: 3.");
});

test("figures rounded to tens say about", async () => {
    await mountAudience({
        whole: {
            ...WHOLE,
            about: true,
            tens: true,
            mailable: 10,
            reasons: [["Opted out", 10]],
        },
    });
    expect(".o_directmail_people").toHaveText("about 20");
    expect(".o_directmail_mailable").toHaveText("about 10");
    expect(".o_directmail_audience_whole").toHaveText(/Opted out: about 10/);
});

test("with too few encrypted people, nobody is told how many can be mailed", async () => {
    await mountAudience({whole: {...WHOLE, tens: true, mailable: 0}});
    expect(".o_directmail_mailable").toHaveCount(0);
    expect(".o_directmail_audience_whole").toHaveText(/is not shown for so few people/);
});

test("where it is not known who can be mailed, usable addresses are shown", async () => {
    await mountAudience({whole: {...WHOLE, mailable: false, usable: 18}});
    expect(".o_directmail_mailable").toHaveCount(0);
    expect(".o_directmail_audience_whole").toHaveText(/With a usable address: 18/);
});

test("where nothing is known of addresses, a refresh is recommended", async () => {
    await mountAudience({whole: {...WHOLE, mailable: false}});
    expect(".o_directmail_audience_whole").toHaveText(/Refresh the audience/);
});

test("a line that can't be counted says why, and so does the audience", async () => {
    await mountAudience({
        line: {error: "The field does not exist."},
        whole: {error: "Correct line 1 first."},
    });
    expect(".o_data_row:first td[name=people] i").toHaveAttribute(
        "title",
        "The field does not exist."
    );
    expect(".o_directmail_audience_whole .text-danger").toHaveText(
        "Correct line 1 first."
    );
});

test("a changed line is counted again, with what is not saved yet", async () => {
    await mountAudience({
        line: ([ids, {line_ids}, number]) => {
            const changed = line_ids.find(([, id]) => id === 1)?.[2]?.domain;
            expect.step(`line ${number} of ${ids}: ${changed || "as saved"}`);
            return {people: changed ? 5 : 30, so_far: 30, about: false};
        },
    });
    expect.verifySteps(["line 0 of 1: as saved", "line 1 of 1: as saved"]);
    await contains(".o_data_row:first td[name=domain]").click();
    await contains(".o_data_row:first td[name=domain] input").edit("[(1,'=',1)]", {
        confirm: "blur",
    });
    await animationFrame();
    expect(".o_data_row:first td[name=people] [title=Counting]").toHaveCount(1);
    expect(".o_directmail_audience_whole").toHaveText("Counting …");
    await waitForFigures();
    expect.verifySteps(["line 0 of 1: [(1,'=',1)]", "line 1 of 1: [(1,'=',1)]"]);
    expect(".o_data_row:first td[name=people]").toHaveText("5");
});

test("a user who may not change an audience sees no live figures", async () => {
    await mountAudience({
        line: () => expect.step("counted"),
        readonly: 1,
    });
    expect.verifySteps([]);
    expect(".o_directmail_audience_whole").toHaveCount(0);
});
