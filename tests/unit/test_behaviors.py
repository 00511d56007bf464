"""The table of what documents leave open, and the emulator's of the same names."""

import pytest

from directmail_emulator.behaviors import BEHAVIORS as EMULATED
from email_marketing_dm.directmail.behaviors import BEHAVIORS, STEPS, SUSPECTS, find_suspect

NAMES = [behavior.name for behavior in BEHAVIORS]


@pytest.mark.parametrize("behavior", BEHAVIORS, ids=lambda behavior: behavior.name)
def test_every_behavior_has_a_question_values_and_a_safe_default(behavior):
    assert behavior.question.endswith(("?", ".)"))
    assert behavior.assumed in behavior.values
    assert len(behavior.values) > 1
    assert behavior.step in ("", *STEPS)


def test_names_are_unique():
    assert len(set(NAMES)) == len(NAMES)


def test_the_emulator_can_do_nothing_that_the_addon_has_no_behavior_for():
    assert {behavior.name for behavior in EMULATED} <= set(NAMES)


@pytest.mark.parametrize(
    "code, mode, name",
    [
        ("InvalidMailAddressSendType.Malformed", "template", "template_senders"),
        ("InvalidMailAddressSendType.Malformed", "body", None),
        ("InvalidFromAlias.Malformed", "body", "alias_limit"),
        ("InvalidFromALias.Malformed", "template", "alias_limit"),
        ("InvalidHeaders.Malformed", "template", "bad_headers"),
        ("InvalidSendMail.Spam", "template", None),
        ("", "template", None),
    ],
)
def test_a_refusal_points_to_the_behavior_that_may_explain_it(code, mode, name):
    assert find_suspect(code, mode) == name


def test_suspects_are_behaviors():
    assert {name for _prefix, names in SUSPECTS for name in names} <= set(NAMES)
