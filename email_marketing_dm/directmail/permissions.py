# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""DirectMail's operations that each feature calls, and the RAM policy that allows them.

The policies in the README and in the account's form and the checks of permissions come from
FEATURES; a test compares it with the operations that the client calls.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from types import MappingProxyType

#: feature -> names of operations, as RAM writes them behind "dm:"
FEATURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sending": (
            "SingleSendMail",
            "DescAccountSummary",
            "SenderStatisticsByTagNameAndBatchID",
            "QueryMailAddressByParam",
            "QueryTagByParam",
            "CreateTag",
            "DeleteTag",
        ),
        "templates": (
            "QueryTemplateByParam",
            "DescTemplate",
            "CreateTemplate",
            "ModifyTemplate",
            "DeleteTemplate",
        ),
        "results": ("SenderStatisticsDetailByParam",),
        "lists": ("ListBlockSending", "QueryInvalidAddress"),
        "first_contact": ("QueryDomainByParam", "DescDomain"),
        "events": ("GetUser", "UpdateUser"),
    }
)
#: operations without which no mail can be sent
VITAL = frozenset(("SingleSendMail", "DescAccountSummary", "QueryMailAddressByParam"))
#: never called as a check of permissions, because without parameters it might change the account
_UNTRIED = frozenset(("UpdateUser",))


def get_actions(features: Collection[str] = FEATURES) -> tuple[str, ...]:
    """Return the names of the operations that some features call, in the order of `FEATURES`.

    :param features: keys of `FEATURES`; all of them by default
    :raise KeyError: not a key of `FEATURES`
    """
    unknown = set(features) - set(FEATURES)
    if unknown:
        raise KeyError(sorted(unknown)[0])
    return tuple(
        action for name, actions in FEATURES.items() if name in features for action in actions
    )


def get_checkable(features: Collection[str] = FEATURES) -> tuple[str, ...]:
    """Return the operations of `get_actions` that `client.check_action` can call safely."""
    return tuple(action for action in get_actions(features) if action not in _UNTRIED)


def make_policy(features: Collection[str] = FEATURES) -> str:
    """Return the RAM policy (JSON text, indented by 2) that allows only some features.

    The grammar is that of Alibaba Cloud's page "Policy structure and syntax", version "1".
    """
    statement = {
        "Effect": "Allow",
        "Resource": "*",
        "Action": [f"dm:{action}" for action in get_actions(features)],
    }
    return json.dumps({"Version": "1", "Statement": [statement]}, indent=2)
