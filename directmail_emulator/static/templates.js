// Templates and their review.

import {$, act, api, badge, changed, make, notice, pair, state, time} from "./parts.js";

const STATUS = [
    ["draft", ""],
    ["waiting for review", "wait"],
    ["approved", "good"],
    ["rejected", "bad"],
];
const status = (number) =>
    make("span", {class: `state ${STATUS[number][1]}`}, STATUS[number][0]);

export async function showTemplates() {
    const {rows, waiting} = await api("/api/templates?text=0");
    badge("waiting", waiting);
    if (state.tab !== "templates" || !changed("templates", [rows, state.template])) {
        return;
    }
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
