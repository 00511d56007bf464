// Accounts, their quota and their senders.

import {$, act, api, changed, make, pair, query} from "./parts.js";

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

export async function showAccounts() {
    const {accounts, endpoints} = await api("/api/status");
    if (!changed("accounts", accounts)) {
        return;
    }
    $("account-list").replaceChildren(
        ...accounts.map((account) => card(account, endpoints[account.region]))
    );
}
