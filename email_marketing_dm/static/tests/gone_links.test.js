import {advanceTime, animationFrame, describe, expect, test} from "@odoo/hoot";
import {
    contains,
    getService,
    mountWithCleanup,
    onRpc,
} from "@web/../tests/web_test_helpers";
import {WebClient} from "@web/webclient/webclient";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

describe.current.tags("desktop");

defineMailModels();

const PAGE = {url: "https://shop.example.com/gone", title: "Our sale", reason: ""};
const GONE = {
    links: 2,
    pages: 2,
    done: 2,
    checked_at: "2026-03-01 10:00:00",
    gone: [PAGE],
    unclear: [],
};

async function openDialog() {
    onRpc("has_group", () => true);
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "directmail_gone_links",
        params: {template_id: 7, progress: GONE},
    });
    await animationFrame();
}

test("missing pages are listed, and submitting is confirmed", async () => {
    onRpc("directmail.template", "action_submit", ({args, kwargs}) => {
        expect.step(`submit ${args[0]} ${kwargs.confirmed}`);
        return true;
    });
    await openDialog();
    expect(".modal .list-group-item").toHaveText(/Our sale/);
    expect(".modal .list-group-item a").toHaveAttribute("href", PAGE.url);
    await contains(".modal button:contains(Submit anyway)").click();
    await animationFrame();
    expect.verifySteps(["submit 7 true"]);
    expect(".modal").toHaveCount(0);
});

test("going back submits nothing", async () => {
    onRpc("directmail.template", "action_submit", () => expect.step("submit"));
    await openDialog();
    await contains(".modal button:contains(Back to the mail)").click();
    expect(".modal").toHaveCount(0);
    expect.verifySteps([]);
});

test("a page that was corrected is gone from the list after another check", async () => {
    onRpc("directmail.template", "check_links", () => ({...GONE, done: 1, gone: []}));
    onRpc("directmail.template", "get_link_progress", () => ({...GONE, gone: []}));
    await openDialog();
    await contains(".modal button:contains(Check again)").click();
    await animationFrame();
    expect(".modal").toHaveText(/being checked/);
    expect(".modal button:contains(Submit)").not.toBeEnabled();
    await advanceTime(2000);
    await animationFrame();
    expect(".modal").toHaveText(/No link leads to a missing page any more/);
    expect(".modal button:contains(Submit for review)").toBeEnabled();
});
