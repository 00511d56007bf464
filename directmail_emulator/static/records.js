// What was recorded: events and the ledger of accepted mails.

import {$, act, api, changed, make, outcome, query, state, time} from "./parts.js";

const LEDGER_PAGE = 100;
const EVENT_STATES = {pushed: "good", waiting: "wait", dead: "bad", kept: ""};

export async function showEvents() {
    const {rows} = await api("/api/events?limit=200");
    if (!changed("events", rows)) {
        return;
    }
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

export async function showLedger() {
    const tag = $("ledger-tag").value.trim();
    const [page, sum] = await Promise.all([
        api(
            `/api/ledger?${query({tag, order: "newest", limit: LEDGER_PAGE, offset: state.offset})}`
        ),
        api(`/api/ledger/summary?${query({tag})}`),
    ]);
    if (!changed("ledger", [page, sum, state.offset])) {
        return;
    }
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
