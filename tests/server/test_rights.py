"""Every role tries every operation and method; the page of rights has the results."""

import os
import re
from pathlib import Path

import pytest
import requests

from tests.server.common.odoo_server import OdooServer
from tests.server.common.rights_page import render
from tests.server.common.rights_tries import (
    FAULT,
    INSIDERS,
    OUTSIDERS,
    REFUSED,
    make_world,
    try_roles,
)

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
#: Of the whole server, the same for everybody, or made of what the reader may see.
WITHOUT_COMPANY = (
    "directmail.contact.engagement",
    "directmail.design",
    "directmail.rekey",
    "directmail.rfm.score",
)
#: Dialogs that belong to no company: whoever opens one sees their own.
DIALOGS = (
    "directmail.erasure",
    "directmail.optout.import",
    "directmail.rekey.start",
    "directmail.series.put",
    "directmail.trial",
)
#: Without it the key would be whatever earlier tests have left on this machine.
KEY = {"DIRECTMAIL_MASTER_KEY": "the master key of the rights"}


@pytest.fixture(scope="module")
def world(database):
    return make_world(database)


@pytest.fixture(scope="module")
def server(world, database):
    with OdooServer(database, crons=0, environment=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def tried(server, world):
    """What every role got; faults and leaks are in the order in which they happened."""
    return try_roles(server, world)


def test_every_model_is_tried(world):
    """A new model is tried by itself, or `rights_world` says what it needs."""
    for name, model in world.items():
        if model["ours"] and model["kind"] != "abstract":
            missing = [whose for whose, number in model["records"].items() if not number]
            assert not missing, f"{name}: rights_world makes no record of {missing}"
        for method, about in model["methods"].items():
            assert len(about["needs"]) <= len(about["arguments"]), (
                f"{name}.{method} needs {about['needs']}: add them to ARGUMENTS in rights_world"
            )


def test_the_page_of_rights(tried, world):
    """To write the page anew: make rights"""
    page = render(tried[0], world)
    if os.environ.get("RIGHTS") == "write":
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "docs/rights.md is not what the server does: make rights"


def test_nothing_ends_in_a_traceback(tried):
    assert [fault[:3] for fault in tried[1]] == []


def test_nobody_else_gets_anything(tried, world):
    for role in set(tried[0]) - {*INSIDERS, *OUTSIDERS}:
        for name, found in tried[0][role].items():
            assert not any(found["rights"].values()), (role, name, found["rights"])
            if world[name]["ours"]:
                for method, outcomes in found["methods"].items():
                    assert {*outcomes.values()} <= {REFUSED, FAULT}, (role, name, method, outcomes)


def test_nothing_without_a_login(server, world):
    with requests.Session() as http:
        http.trust_env = False
        for name, model in world.items():
            for method in ("search_read", *model["methods"]):
                answer = http.post(
                    f"{server.url}/web/dataset/call_kw/{name}/{method}",
                    json={"params": {"model": name, "method": method, "args": [], "kwargs": {}}},
                    timeout=60,
                ).json()
                kind = answer["error"]["data"]["name"]
                assert kind == "odoo.http.SessionExpiredException", (name, method, answer)


def test_nobody_touches_another_company(tried):
    """What has no company may be read by all; shared definitions are a part of their own."""
    touched = []
    tries = [(role, "elsewhere") for role in INSIDERS]
    tries += [(role, whose) for role in OUTSIDERS for whose in ("private", "public")]
    for role, whose in tries:
        for name, found in tried[0][role].items():
            # What is in parentheses was refused with a sentence.
            letters = re.sub(r"\(.*?\)|–", "", found["rights"].get(whose, ""))
            allowed = "r" if name in WITHOUT_COMPANY else "c" if name in DIALOGS else ""
            if letters.strip(allowed):
                touched.append((role, name, whose, found["rights"][whose]))
            touched += [
                (role, name, method, whose, outcomes[whose])
                for method, outcomes in found["methods"].items()
                if outcomes.get(whose, REFUSED) != REFUSED and name not in WITHOUT_COMPANY
            ]
    assert touched == []


def test_users_of_the_other_company_work_there(tried):
    """Positive control of the refusals in the other company."""
    for stranger, native in zip(OUTSIDERS, ("marketer", "administrator"), strict=True):
        own = {
            role: {name: found["rights"].get("own") for name, found in tried[0][role].items()}
            for role in (stranger, native)
        }
        assert own[stranger] == own[native]


def test_who_may_read_a_record_reads_all_of_it(tried):
    """No field, named or not, and nothing that a page shows, is refused with the whole record."""
    assert tried[3] == []


def test_no_way_tells_more_than_reading(tried):
    """Counting, grouping, searching by name, exporting and copying keep to what may be read."""
    assert [
        (role, name, found["siblings"])
        for role in (*INSIDERS, *OUTSIDERS)
        for name, found in tried[0][role].items()
        if found.get("siblings")
    ] == []


def test_nobody_names_what_they_may_not_read(tried):
    """Otherwise Odoo would show the record's name, and the addon would use the record."""
    assert [
        (role, name, found["pointers"])
        for role in (*INSIDERS, *OUTSIDERS)
        for name, found in tried[0][role].items()
        if found.get("pointers")
    ] == []


def test_no_answer_and_no_refusal_tells_of_hidden_records(tried):
    assert tried[2] == []
