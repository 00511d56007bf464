# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which of DirectMail's operations each feature calls, and the RAM policy that allows them.

The README's policy, the one on the account's page and the checks of permissions come from this
table; a test compares it with what the client calls.
"""

import json
from types import MappingProxyType

#: feature -> names of operations, as RAM writes them behind "dm:"
FEATURES = MappingProxyType(
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
#: without them nothing can be sent at all
VITAL = frozenset(("SingleSendMail", "DescAccountSummary", "QueryMailAddressByParam"))
#: might change something although it lacks parameters, so it is never called to see if it may be
_UNTRIED = frozenset(("UpdateUser",))


def get_actions(features=FEATURES):
    """Return the names of the operations that some features call, in the order of the table.

    :param features: names in `FEATURES`; all of them by default
    :raise KeyError: for another name
    """
    unknown = set(features) - set(FEATURES)
    if unknown:
        raise KeyError(sorted(unknown)[0])
    return tuple(
        action for name, actions in FEATURES.items() if name in features for action in actions
    )


def get_checkable(features=FEATURES):
    """Return those of `get_actions` that `client.check_action` can try without any effect."""
    return tuple(action for action in get_actions(features) if action not in _UNTRIED)


def make_policy(features=FEATURES):
    """Return the RAM policy (JSON text, indented by 2) that allows some features and no more.

    Its grammar: Alibaba Cloud's page "Policy structure and syntax", version "1".
    """
    statement = {
        "Effect": "Allow",
        "Resource": "*",
        "Action": [f"dm:{action}" for action in get_actions(features)],
    }
    return json.dumps({"Version": "1", "Statement": [statement]}, indent=2)
