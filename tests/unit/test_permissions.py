"""Which operations each feature needs, and the policy made from that."""

import json

import pytest

from email_marketing_dm.directmail.permissions import (
    FEATURES,
    VITAL,
    get_actions,
    get_checkable,
    make_policy,
)


def allowed(features):
    policy = json.loads(make_policy(features))
    [statement] = policy["Statement"]
    assert (policy["Version"], statement["Effect"], statement["Resource"]) == ("1", "Allow", "*")
    return statement["Action"]


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_allows_its_own_operations_and_no_other(name):
    assert allowed([name]) == [f"dm:{action}" for action in FEATURES[name]]


def test_without_an_argument_everything():
    assert allowed(FEATURES) == [f"dm:{action}" for action in get_actions()]


def test_sending_contains_what_nothing_works_without():
    assert VITAL <= set(get_actions(["sending"]))


def test_what_could_change_something_is_never_tried():
    assert set(get_actions()) - set(get_checkable()) == {"UpdateUser"}


def test_an_unknown_feature_is_an_error():
    with pytest.raises(KeyError, match="sendign"):
        get_actions(["sendign"])
