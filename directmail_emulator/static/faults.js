// Faults that calls meet.

import {$, act, api, badge, changed, make, state} from "./parts.js";

export async function showFaults() {
    const {rows} = await api("/api/faults");
    badge("active", rows.filter((row) => !row.times || row.hits < row.times).length);
    if (state.tab !== "faults" || !changed("faults", rows)) {
        return;
    }
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

export function fillKinds(kinds) {
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
