// The emulator's page: everything it shows and does goes through the admin API.

import {$, act, api, forget, state, time} from "./parts.js";
import {fillKinds, showFaults} from "./faults.js";
import {showEvents, showLedger} from "./records.js";
import {showAccounts} from "./accounts.js";
import {showInbox} from "./inbox.js";
import {showTemplates} from "./templates.js";

const REFRESH = 2000; // milliseconds between looks, while the page is visible
const SHOW = {
    inbox: showInbox,
    templates: showTemplates,
    accounts: showAccounts,
    faults: showFaults,
    events: showEvents,
    ledger: showLedger,
};

function choose(tab) {
    state.tab = tab in SHOW ? tab : "inbox";
    for (const button of document.querySelectorAll("#tabs button")) {
        button.setAttribute("aria-selected", button.dataset.tab === state.tab);
    }
    for (const name of Object.keys(SHOW)) {
        $(name).hidden = name !== state.tab;
    }
    forget();
    act(SHOW[state.tab])();
}

let busy = false;
async function refresh() {
    // A large ledger takes longer than the pause between looks.
    if (busy) {
        return;
    }
    busy = true;
    try {
        const {now, offset} = await api("/api/clock");
        $("clock").textContent = time(now) + (offset ? " (moved)" : "");
        await SHOW[state.tab]();
        if (state.tab !== "templates") {
            await showTemplates();
        }
        if (state.tab !== "faults") {
            await showFaults();
        }
    } catch {
        $("clock").textContent = "not reachable";
    }
    busy = false;
}

for (const button of document.querySelectorAll("#tabs button")) {
    button.addEventListener("click", () => {
        location.hash = button.dataset.tab;
    });
}
window.addEventListener("hashchange", () => choose(location.hash.slice(1)));
setInterval(() => {
    if (!document.hidden) {
        refresh();
    }
}, REFRESH);
api("/api/status")
    .then((answer) => fillKinds(answer.kinds_of_fault))
    .catch(() => {});
choose(location.hash.slice(1) || "inbox");
refresh();
