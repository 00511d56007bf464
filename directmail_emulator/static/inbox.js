// The inbox: accepted mails, one of them as its recipient sees it.

import {
    $,
    act,
    api,
    changed,
    make,
    notice,
    outcome,
    pair,
    query,
    state,
    time,
} from "./parts.js";

export async function showInbox() {
    const filters = {
        search: $("inbox-search").value.trim(),
        tag: $("inbox-tag").value.trim(),
    };
    const {rows} = await api(`/api/inbox?${query({...filters, limit: 100})}`);
    if (!changed("inbox", [rows, state.mail])) {
        return;
    }
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

for (const id of ["inbox-search", "inbox-tag"]) {
    $(id).addEventListener("input", act(showInbox));
}
$("flush").addEventListener(
    "click",
    act(async () => {
        const {steps} = await api("/api/outcomes/flush", "POST", {});
        notice(steps ? `${steps} steps were carried out.` : "Nothing was pending.");
        await showInbox();
    })
);
