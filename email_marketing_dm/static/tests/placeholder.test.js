import {advanceTime, beforeEach, describe, expect, test} from "@odoo/hoot";
import {queryAllTexts} from "@odoo/hoot-dom";
import {
    contains,
    defineModels,
    fields,
    getService,
    models,
    mountWithCleanup,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";
import {WebClient} from "@web/webclient/webclient";

describe.current.tags("desktop");

const FORM = `<form>
    <field name="model" invisible="1"/>
    <field name="subject" options="{
        'dynamic_placeholder': true,
        'dynamic_placeholder_model_reference_field': 'model'
    }"/>
</form>`;

class Template extends models.Model {
    _name = "directmail.template";

    subject = fields.Char();
    model = fields.Char({default: "person"});

    _records = [{id: 1}];
    _views = {form: FORM};
}

/** Any other model of Odoo with placeholders. */
class Other extends models.Model {
    _name = "other";

    subject = fields.Char();
    model = fields.Char({default: "person"});

    _records = [{id: 1}];
    _views = {form: FORM};
}

class Person extends models.Model {
    _name = "person";

    name = fields.Char({string: "Nickname"});
    city = fields.Char({string: "Town"});
    photo = fields.Binary({string: "Photo"});
    data = fields.Json({string: "Data"});
    street = fields.Char({string: "Road"});
    commercial_company_name = fields.Char({string: "Company Name Entity"});
    directmail_first_name = fields.Char({string: "First name"});
}

defineMailModels();

class Order extends models.Model {
    _name = "order";

    total = fields.Float({string: "Grand total"});
}

defineModels([Template, Other, Person, Order]);

let uploadColumns = [];
let recordModels = [];

beforeEach(() => {
    // a plain marketing user, to whom Odoo offers the names only
    onRpc("has_group", () => false);
    onRpc("mail_allowed_qweb_expressions", () => ["object.name"]);
    onRpc("directmail.upload.column", "get_placeholders", () => uploadColumns);
    onRpc("directmail.data.table", "get_record_placeholders", () => recordModels);
    uploadColumns = [];
    recordModels = [];
});

async function openPlaceholders(resModel) {
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.act_window",
        res_model: resModel,
        res_id: 1,
        views: [[false, "form"]],
    });
    await contains("[name=subject] input").edit("#", {confirm: false});
}

const item = (name) => `.o_model_field_selector_popover_item_name:contains(${name})`;

test("a template offers each field with a text, to users who can't write QWeb", async () => {
    await openPlaceholders("directmail.template");
    expect(item("Nickname")).toHaveCount(1);
    expect(item("Town")).toHaveCount(1);
});

test("a template does not offer fields that have no text", async () => {
    await openPlaceholders("directmail.template");
    expect(item("Town")).toHaveCount(1);
    expect(item("Photo")).toHaveCount(0);
    expect(item("Data")).toHaveCount(0);
});

test("elsewhere in Odoo, users are offered what Odoo allows", async () => {
    await openPlaceholders("other");
    expect(item("Nickname")).toHaveCount(1);
    expect(item("Town")).toHaveCount(0);
});

const names = () =>
    queryAllTexts(".o_model_field_selector_popover_item_name").join(", ");

test("a template offers the usual fields first, in an order of their own", async () => {
    await openPlaceholders("directmail.template");
    expect(names()).toBe("First name, Nickname, Company, Town");
});

test("the other fields are found by a search", async () => {
    await openPlaceholders("directmail.template");
    const search = ".o_model_field_selector_popover_search input";
    await contains(search).edit("Roa", {confirm: false});
    await advanceTime(300);
    expect(item("Road")).toHaveCount(1);
    expect(".o_directmail_all_fields").toHaveCount(0);
    await contains(search).edit("", {confirm: false});
    await advanceTime(300);
    expect(names()).toBe("First name, Nickname, Company, Town");
});

test("columns of uploaded lists follow the usual fields", async () => {
    uploadColumns = [
        {path: "directmail_upload.优惠码", label: "优惠码 (uploaded list)"},
        ...Array.from({length: 10}, (_, n) => ({
            path: `directmail_upload.c${n}`,
            label: `C${n} (uploaded list)`,
        })),
    ];
    await openPlaceholders("directmail.template");
    expect(names()).toMatch(/Town, 优惠码 \(uploaded list\), C0 .*, C8 /);
    expect(item("C9")).toHaveCount(0);
    await contains(item("优惠码")).click();
    await contains(".o_model_field_selector_popover button.btn-primary").click();
    expect("[name=subject] input").toHaveValue(
        /\{\{object\.directmail_upload\.优惠码\}\}/
    );
});

test("a record of a series opens its fields", async () => {
    recordModels = [
        {path: "directmail_record.order", label: "Order (record)", model: "order"},
    ];
    await openPlaceholders("directmail.template");
    expect(names()).toBe("First name, Nickname, Company, Town, Order (record)");
    await contains(item("Order (record)")).click();
    await contains(item("Grand total")).click();
    await contains(".o_model_field_selector_popover button.btn-primary").click();
    expect("[name=subject] input").toHaveValue(
        /\{\{object\.directmail_record\.order\.total\}\}/
    );
});

test("a click shows all fields", async () => {
    await openPlaceholders("directmail.template");
    await contains(".o_directmail_all_fields").click();
    expect(item("Road")).toHaveCount(1);
    expect(item("Town")).toHaveCount(1);
    expect(".o_directmail_all_fields").toHaveCount(0);
});

test("elsewhere in Odoo, the list is Odoo's", async () => {
    onRpc("has_group", () => true);
    await openPlaceholders("other");
    expect(item("Road")).toHaveCount(1);
    expect(item("Company Name Entity")).toHaveCount(1);
    expect(".o_directmail_all_fields").toHaveCount(0);
});
