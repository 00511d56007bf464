"use strict";
// The emulator's page: everything it shows and does goes through the admin API.

const $ = (id) => document.getElementById(id);
const REFRESH = 2000; // milliseconds between looks, while the page is visible
const LEDGER_PAGE = 100;
const state = {tab: "inbox", mail: null, template: null, offset: 0, kinds: {}};

/** An element with attributes, listeners (onclick: …) and children; text is never read as HTML. */
function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (value === true) element.setAttribute(name, "");
        else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
}

async function api(path, method = "GET", data) {
    const answer = await fetch(
        path,
        data === undefined
            ? {method}
            : {
                  method,
                  body: JSON.stringify(data),
                  headers: {"Content-Type": "application/json"},
              }
    );
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error || answer.statusText);
    return body;
}

function notice(text) {
    $("notice").textContent = text;
    $("notice").hidden = false;
    clearTimeout(notice.timer);
    notice.timer = setTimeout(() => {
        $("notice").hidden = true;
    }, 4000);
}

/** Runs something that a person asked for and shows what went wrong. */
const act = (work) => async (event) => {
    if (event) event.preventDefault();
    try {
        await work(event);
    } catch (error) {
        notice(error.message);
    }
};

const time = (seconds) =>
    new Date(seconds * 1000).toLocaleString(undefined, {
        month: "short",
        day: "numeric",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
    });
const OUTCOMES = {
    delivered: "good",
    waiting: "wait",
    invalid: "bad",
    spam: "bad",
    failed: "bad",
};
const outcome = (name) => make("span", {class: `state ${OUTCOMES[name] || ""}`}, name);
const query = (values) =>
    new URLSearchParams(
        Object.entries(values).filter(([, value]) => value !== "")
    ).toString();
const pair = (name, value) =>
    value === "" || value == null ? [] : [make("dt", {}, name), make("dd", {}, value)];

// Keeps the list from being rebuilt under a pointer or a keyboard when nothing has changed.
const shown = {};
function changed(name, data) {
    const text = JSON.stringify(data);
    if (shown[name] === text) return false;
    shown[name] = text;
    return true;
}

// Inbox

async function showInbox() {
    const filters = {
        search: $("inbox-search").value.trim(),
        tag: $("inbox-tag").value.trim(),
    };
    const {rows} = await api(`/api/inbox?${query({...filters, limit: 100})}`);
    if (!changed("inbox", [rows, state.mail])) return;
    $("inbox-count").textContent =
        rows.length === 100 ? "newest 100" : `${rows.length} mails`;
    $("mails").replaceChildren(
        ...rows.map((row) =>
            make(
                "li",
                {},
                make(
                    "button",
                    {
                        "aria-current": state.mail === row.seq,
                        onclick: act(() => openMail(row)),
                    },
                    make(
                        "div",
                        {class: "top"},
                        make("span", {}, row.to),
                        outcome(row.outcome)
                    ),
                    make("div", {}, row.subject),
                    make(
                        "div",
                        {class: "sub"},
                        `${time(row.accepted_at)}${row.tag ? ` · ${row.tag}` : ""}`
                    )
                )
            )
        )
    );
    if (!rows.length) {
        $("mails").append(
            make(
                "li",
                {},
                make(
                    "p",
                    {class: "empty"},
                    filters.search || filters.tag
                        ? "No mail fits."
                        : "No mail yet. Accepted mail shows up here."
                )
            )
        );
    }
}

async function openMail(row, images = false) {
    state.mail = row.seq;
    const address = `/api/inbox/${row.env_id}`;
    const mail = await api(`${address}?${query({to: row.to})}`);
    const react = (name) =>
        act(async () => {
            await api(`${address}/${name}?${query({to: row.to})}`, "POST", {});
            await openMail(row, images);
        });
    const from = mail.sender_name
        ? `${mail.sender_name} <${mail.sender}>`
        : mail.sender;
    const happened = mail.activity.map((one) =>
        make(
            "tr",
            {},
            make("td", {class: "time"}, time(one.at)),
            make("td", {}, `${one.machine ? "machine " : ""}${one.kind}`),
            make("td", {}, one.url),
            make("td", {}, one.note || (one.tracked ? "seen by DirectMail" : ""))
        )
    );
    const result = mail.result;
    $("mail").replaceChildren(
        make(
            "div",
            {class: "head"},
            make("h2", {}, mail.subject),
            make(
                "dl",
                {},
                ...pair("From", from),
                ...pair("To", mail.to),
                ...pair("Tag", mail.tag),
                ...pair("Accepted", `${time(mail.accepted_at)} · EnvId ${mail.env_id}`),
                ...pair(
                    "Outcome",
                    make(
                        "span",
                        {},
                        outcome(mail.outcome),
                        result ? ` ${result.message} (${result.classification})` : ""
                    )
                )
            ),
            make(
                "div",
                {class: "bar"},
                make("button", {onclick: react("open")}, "Open"),
                make("button", {onclick: react("click")}, "Click"),
                make("button", {onclick: react("unsubscribe")}, "Unsubscribe"),
                make(
                    "button",
                    {onclick: react("complain"), class: "bad"},
                    "Report spam"
                ),
                make("span", {class: "gap"}),
                images
                    ? null
                    : make(
                          "button",
                          {
                              onclick: act(() => openMail(row, true)),
                              title: "Loads images from this machine; that may count as an open",
                          },
                          "Load images"
                      )
            )
        ),
        make("iframe", {
            sandbox: "allow-popups",
            title: "The mail as its recipient sees it",
            src: `${address}/body?${query({to: row.to, images: images ? "1" : ""})}`,
        }),
        // replaceChildren would print a null
        ...(happened.length
            ? [
                  make(
                      "details",
                      {open: true},
                      make("summary", {}, "What happened"),
                      make("table", {}, make("tbody", {}, ...happened))
                  ),
              ]
            : []),
        make(
            "details",
            {},
            make("summary", {}, "Headers and variables"),
            make(
                "pre",
                {},
                JSON.stringify(
                    {
                        "Message-ID": mail.message_id,
                        headers: mail.headers,
                        template: mail.template_id,
                        variables: mail.variables,
                        options: mail.options,
                    },
                    null,
                    2
                )
            )
        )
    );
    await showInbox();
}

// Templates

const STATUS = [
    ["draft", ""],
    ["waiting for review", "wait"],
    ["approved", "good"],
    ["rejected", "bad"],
];
const status = (number) =>
    make("span", {class: `state ${STATUS[number][1]}`}, STATUS[number][0]);

async function showTemplates() {
    const {rows, waiting} = await api("/api/templates?text=0");
    badge("waiting", waiting);
    if (state.tab !== "templates" || !changed("templates", [rows, state.template]))
        return;
    rows.sort((a, b) => (b.status === 1) - (a.status === 1) || b.id - a.id);
    $("template-list").replaceChildren(
        ...rows.map((row) =>
            make(
                "li",
                {},
                make(
                    "button",
                    {
                        "aria-current": state.template === row.id,
                        onclick: act(() => openTemplate(row)),
                    },
                    make(
                        "div",
                        {class: "top"},
                        make("span", {}, row.name),
                        status(row.status)
                    ),
                    make("div", {}, row.subject),
                    make(
                        "div",
                        {class: "sub"},
                        `${row.id} · ${row.account} · ${time(row.changed_at)}`
                    )
                )
            )
        )
    );
    if (!rows.length) {
        $("template-list").append(
            make(
                "li",
                {},
                make(
                    "p",
                    {class: "empty"},
                    "No templates. Those made with CreateTemplate wait here for your review."
                )
            )
        );
    }
}

async function openTemplate({id}) {
    state.template = id;
    const row = await api(`/api/templates/${id}`);
    const comment = make("textarea", {
        placeholder: "Comment for the sender (why it was rejected)",
        "aria-label": "Comment",
    });
    comment.value = row.comment;
    const decide = (decision) =>
        act(async () => {
            const after = await api(`/api/templates/${row.id}/${decision}`, "POST", {
                comment: comment.value,
            });
            notice(`"${row.name}" is ${STATUS[after.status][0]}.`);
            await openTemplate(after);
        });
    $("template").replaceChildren(
        make(
            "div",
            {class: "head"},
            make("h2", {}, row.name),
            make(
                "dl",
                {},
                ...pair("State", status(row.status)),
                ...pair("Sender name", row.nickname),
                ...pair("Subject", row.subject),
                ...pair("Account", `${row.account} in ${row.region}`),
                ...pair("Changed", time(row.changed_at)),
                ...pair("Comment", row.comment)
            ),
            comment,
            make(
                "div",
                {class: "bar"},
                make(
                    "button",
                    {class: "primary", onclick: decide("approve")},
                    "Approve"
                ),
                make("button", {class: "bad", onclick: decide("reject")}, "Reject")
            )
        ),
        make("iframe", {
            sandbox: "",
            title: "The template's text",
            src: `/api/templates/${row.id}/body`,
        }),
        make("details", {}, make("summary", {}, "Source"), make("pre", {}, row.text))
    );
    await showTemplates();
}

// Accounts

const USER_STATUS = {1: "frozen", 2: "overdue", 4: "sending restricted", 8: "deleted"};

function card(account, endpoint) {
    const states = Object.keys(USER_STATUS).filter((bit) => account.user_status & bit);
    const quota = make("input", {
        type: "number",
        min: 0,
        value: account.daily_quota,
        class: "short",
        "aria-label": "Daily quota",
    });
    const path = `/api/accounts/${account.access_key_id}?${query({region: account.region})}`;
    const change = (changes) =>
        act(async () => {
            await api(path, "POST", changes());
            await showAccounts();
        });
    return make(
        "div",
        {class: "card"},
        make("h2", {}, account.access_key_id),
        make(
            "dl",
            {},
            ...pair("Region", account.region),
            ...pair("Endpoint", endpoint),
            ...pair(
                "State",
                states.length
                    ? make(
                          "span",
                          {class: "state bad"},
                          states.map((bit) => USER_STATUS[bit]).join(", ")
                      )
                    : make("span", {class: "state good"}, "normal")
            ),
            ...pair(
                "EventBridge",
                account.enable_eventbridge ? account.webhook.url || "on" : "off"
            )
        ),
        make(
            "div",
            {},
            make(
                "div",
                {},
                `${account.used_today.toLocaleString()} of ${account.daily_quota.toLocaleString()} mails today`
            ),
            make("meter", {
                min: 0,
                max: account.daily_quota || 1,
                value: account.used_today,
                high: account.daily_quota * 0.9,
            })
        ),
        make(
            "div",
            {class: "bar"},
            quota,
            make(
                "button",
                {onclick: change(() => ({daily_quota: Number(quota.value)}))},
                "Set quota"
            ),
            make(
                "button",
                {onclick: change(() => ({user_status: account.user_status ? 0 : 4}))},
                account.user_status ? "Back to normal" : "Restrict sending"
            )
        ),
        make(
            "table",
            {},
            make(
                "tbody",
                {},
                ...account.senders.map((sender) =>
                    make(
                        "tr",
                        {},
                        make("td", {}, sender.address),
                        make("td", {}, sender.type),
                        make(
                            "td",
                            {},
                            make(
                                "span",
                                {class: `state ${sender.frozen ? "bad" : "good"}`},
                                sender.frozen ? "frozen" : "normal"
                            )
                        )
                    )
                )
            )
        )
    );
}

async function showAccounts() {
    const {accounts, endpoints} = await api("/api/status");
    if (!changed("accounts", accounts)) return;
    $("account-list").replaceChildren(
        ...accounts.map((account) => card(account, endpoints[account.region]))
    );
}

// Faults

async function showFaults() {
    const {rows} = await api("/api/faults");
    badge("active", rows.filter((row) => !row.times || row.hits < row.times).length);
    if (state.tab !== "faults" || !changed("faults", rows)) return;
    $("fault-rows").replaceChildren(
        ...rows.map((row) =>
            make(
                "tr",
                {},
                make("td", {}, make("b", {}, row.kind)),
                make(
                    "td",
                    {},
                    `${row.does}${row.accepts ? " (after carrying it out)" : ""}`
                ),
                make("td", {}, row.action),
                make(
                    "td",
                    {class: "number"},
                    `${row.times || "always"}${row.rate < 1 ? ` (${row.rate * 100} % of calls)` : ""}`
                ),
                make("td", {class: "number"}, row.seen),
                make("td", {class: "number"}, row.hits),
                make(
                    "td",
                    {},
                    make(
                        "button",
                        {
                            onclick: act(async () => {
                                await api(`/api/faults/${row.id}`, "DELETE");
                                await showFaults();
                            }),
                        },
                        "Remove"
                    )
                )
            )
        )
    );
    if (!rows.length) {
        $("fault-rows").append(
            make(
                "tr",
                {},
                make(
                    "td",
                    {colspan: 7, class: "quiet"},
                    "Everything works. Add a fault to see how a client copes."
                )
            )
        );
    }
}

function fillKinds(kinds) {
    state.kinds = kinds;
    $("fault-kind").replaceChildren(
        ...Object.keys(kinds).map((kind) => make("option", {value: kind}, kind))
    );
    const tell = () => {
        $("fault-does").textContent = kinds[$("fault-kind").value];
    };
    $("fault-kind").addEventListener("change", tell);
    tell();
}

// Events and ledger

const EVENT_STATES = {pushed: "good", waiting: "wait", dead: "bad", kept: ""};

async function showEvents() {
    const {rows} = await api("/api/events?limit=200");
    if (!changed("events", rows)) return;
    $("event-rows").replaceChildren(
        ...rows.map((row) =>
            make(
                "tr",
                {},
                make("td", {class: "time"}, time(row.created_at)),
                make("td", {}, row.type),
                make("td", {}, row.body.data.rcpt || row.body.data.block_email),
                make(
                    "td",
                    {},
                    make("span", {class: `state ${EVENT_STATES[row.state]}`}, row.state)
                ),
                make("td", {class: "number"}, row.attempts),
                make("td", {}, row.error)
            )
        )
    );
    if (!rows.length) {
        $("event-rows").append(
            make(
                "tr",
                {},
                make(
                    "td",
                    {colspan: 6, class: "quiet"},
                    "No events. Switch them on with UpdateUser and set the account's webhook."
                )
            )
        );
    }
}

async function showLedger() {
    const tag = $("ledger-tag").value.trim();
    const [page, sum] = await Promise.all([
        api(
            `/api/ledger?${query({tag, order: "newest", limit: LEDGER_PAGE, offset: state.offset})}`
        ),
        api(`/api/ledger/summary?${query({tag})}`),
    ]);
    if (!changed("ledger", [page, sum, state.offset])) return;
    const counts = Object.entries(sum.outcomes).map(
        ([name, number]) => `${number} ${name}`
    );
    $("ledger-sum").replaceChildren(
        make("b", {}, `${sum.accepted.toLocaleString()} accepted`),
        ` · ${sum.addresses.toLocaleString()} addresses · `,
        make(
            "span",
            {class: sum.duplicates ? "state bad" : ""},
            `${sum.duplicates} duplicates`
        ),
        counts.length ? ` · ${counts.join(", ")}` : ""
    );
    $("newer").disabled = state.offset === 0;
    $("older").disabled = state.offset + LEDGER_PAGE >= page.total;
    $("ledger-rows").replaceChildren(
        ...page.rows.map((row) =>
            make(
                "tr",
                {},
                make("td", {class: "number"}, row.seq),
                make("td", {class: "time"}, time(row.accepted_at)),
                make("td", {}, row.to),
                make("td", {}, row.subject),
                make("td", {}, row.tag),
                make("td", {class: "time"}, row.env_id),
                make("td", {class: "id"}, row.message_id),
                make("td", {}, outcome(row.outcome))
            )
        )
    );
}

// The frame around them

const SHOW = {
    inbox: showInbox,
    templates: showTemplates,
    accounts: showAccounts,
    faults: showFaults,
    events: showEvents,
    ledger: showLedger,
};

function badge(id, number) {
    $(id).textContent = number;
    $(id).hidden = !number;
}

function choose(tab) {
    state.tab = tab in SHOW ? tab : "inbox";
    for (const button of document.querySelectorAll("#tabs button")) {
        button.setAttribute("aria-selected", button.dataset.tab === state.tab);
    }
    for (const name of Object.keys(SHOW)) $(name).hidden = name !== state.tab;
    for (const name of Object.keys(shown)) delete shown[name];
    act(SHOW[state.tab])();
}

let busy = false;
async function refresh() {
    if (busy) return; // a large ledger takes longer than the pause between looks
    busy = true;
    try {
        const {now, offset} = await api("/api/clock");
        $("clock").textContent = time(now) + (offset ? " (moved)" : "");
        await SHOW[state.tab]();
        if (state.tab !== "templates") await showTemplates();
        if (state.tab !== "faults") await showFaults();
    } catch (error) {
        $("clock").textContent = "not reachable";
    }
    busy = false;
}

for (const button of document.querySelectorAll("#tabs button")) {
    button.addEventListener("click", () => {
        location.hash = button.dataset.tab;
    });
}
for (const [id, show] of [
    ["inbox-search", showInbox],
    ["inbox-tag", showInbox],
]) {
    $(id).addEventListener("input", act(show));
}
$("ledger-tag").addEventListener(
    "input",
    act(() => {
        state.offset = 0;
        return showLedger();
    })
);
$("newer").addEventListener(
    "click",
    act(() => {
        state.offset = Math.max(0, state.offset - LEDGER_PAGE);
        return showLedger();
    })
);
$("older").addEventListener(
    "click",
    act(() => {
        state.offset += LEDGER_PAGE;
        return showLedger();
    })
);
$("flush").addEventListener(
    "click",
    act(async () => {
        const {steps} = await api("/api/outcomes/flush", "POST", {});
        notice(steps ? `${steps} steps were carried out.` : "Nothing was pending.");
        await showInbox();
    })
);
$("fault-form").addEventListener(
    "submit",
    act(async () => {
        const form = new FormData($("fault-form"));
        await api("/api/faults", "POST", {
            kind: form.get("kind"),
            action: form.get("action"),
            times: Number(form.get("times")),
            after: Number(form.get("after")),
            delay: Number(form.get("delay")),
        });
        await showFaults();
    })
);
$("fault-clear").addEventListener(
    "click",
    act(async () => {
        await api("/api/faults", "DELETE");
        await showFaults();
    })
);
window.addEventListener("hashchange", () => choose(location.hash.slice(1)));
setInterval(() => {
    if (!document.hidden) refresh();
}, REFRESH);
api("/api/status")
    .then((answer) => fillKinds(answer.kinds_of_fault))
    .catch(() => {});
choose(location.hash.slice(1) || "inbox");
refresh();
