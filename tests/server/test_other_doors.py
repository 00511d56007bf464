"""What the web client may not do, no other door of the server lets through.

The same calls by the web client's route, by JSON-2 with an API key, and by /jsonrpc.
"""

import secrets

import pytest
import requests
from passlib.context import CryptContext

from tests.server.common.shop import PASSWORD

DOORS = ("web", "json2", "jsonrpc")


class Caller:
    """Somebody who calls methods by three doors."""

    def __init__(self, server, login):
        self._server = server
        self._session = server.login(login, PASSWORD)
        self._key = secrets.token_hex(20)
        hashed = CryptContext(["pbkdf2_sha512"], pbkdf2_sha512__rounds=6000).hash(self._key)
        [(self.uid,)] = server.query("SELECT id FROM res_users WHERE login = %s", login)
        server.query(
            """INSERT INTO res_users_apikeys (name, user_id, scope, index, key, expiration_date)
               VALUES ('test', %s, 'rpc', %s, %s, now() + interval '1 day')""",
            self.uid, self._key[:8], hashed,
        )  # fmt: skip

    def call(self, door, model, method, ids, **arguments):
        """Return (whether it was answered, the text of the answer)."""
        with requests.Session() as http:
            http.trust_env = False
            return getattr(self, f"_call_{door}")(http, model, method, ids, arguments)

    def _call_web(self, http, model, method, ids, arguments):
        http.post(
            f"{self._server.url}/web/session/authenticate",
            json={"params": {"db": self._server.database, "login": self._session._login,
                             "password": PASSWORD}},
            timeout=60,
        )  # fmt: skip
        params = {"model": model, "method": method, "args": [ids] if ids else [],
                  "kwargs": arguments}  # fmt: skip
        answer = http.post(
            f"{self._server.url}/web/dataset/call_kw/{model}/{method}",
            json={"params": params}, timeout=60,
        )  # fmt: skip
        return "result" in answer.json(), answer.text

    def _call_json2(self, http, model, method, ids, arguments):
        answer = http.post(
            f"{self._server.url}/json/2/{model}/{method}",
            json={**({"ids": ids} if ids else {}), **arguments},
            headers={"Authorization": f"bearer {self._key}"},
            timeout=60,
        )
        return answer.ok, answer.text

    def _call_jsonrpc(self, http, model, method, ids, arguments):
        args = [self._server.database, self.uid, self._key, model, method, [ids] if ids else [],
                arguments]  # fmt: skip
        answer = http.post(
            f"{self._server.url}/jsonrpc",
            json={"params": {"service": "object", "method": "execute_kw", "args": args}},
            timeout=60,
        )
        return "result" in answer.json(), answer.text


@pytest.fixture(scope="module")
def owner(shop):
    """A marketer with a private audience, and a task that is done."""
    shop.add_people("doors", 3)
    task = shop.make_task("doors")
    shop.act(task, "send")
    shop.wait(task, "done")
    return task


@pytest.fixture(scope="module")
def callers(shop, owner):
    shop.make_user("dm_other", "group_user")
    return {login: Caller(shop.server, login) for login in ("dm_user", "dm_other", "dm_admin")}


@pytest.fixture(scope="module")
def known(shop, owner):
    """Ids of what exists."""
    [audience] = shop.read(owner, "audience_ids")["audience_ids"]
    [(delivery,)] = shop.server.query(
        "SELECT min(id) FROM directmail_delivery WHERE task_id = %s", owner
    )
    return {"account": shop.account, "task": owner, "audience": audience, "delivery": delivery,
            "template": shop.template}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_what_is_allowed_is_answered(callers, known, door):
    """Positive control of the refusals below."""
    answered, text = callers["dm_user"].call(
        door, "directmail.task", "read", [known["task"]], fields=["name", "state"]
    )
    assert answered and "done" in text
    answered, text = callers["dm_other"].call(
        door, "directmail.account", "search_read", [], domain=[], fields=["name"]
    )
    assert answered and "Emulator" in text


REFUSED = [
    # secrets and what only the engine knows
    ("dm_other", "account", "read", {"fields": ["access_key_secret_sealed"]}),
    ("dm_other", "account", "read", {"fields": ["access_key_id"]}),
    ("dm_other", "account", "read", {"fields": ["push_token"]}),
    ("dm_admin", "account", "read", {"fields": ["access_key_secret_sealed"]}),
    ("dm_admin", "delivery", "read", {"fields": ["address_key"]}),
    ("dm_admin", "delivery", "read", {"fields": ["claim_token"]}),
    ("dm_other", "account", "web_read", {"specification": {"access_key_id": {}}}),
    ("dm_user", "delivery", "web_read",
     {"specification": {"account_id": {"fields": {"access_key_id": {}}}}}),
    ("dm_user", "delivery", "web_read",
     {"specification": {"task_id": {"fields": {"account_id": {"fields": {"push_token": {}}}}}}}),
    # by order, filter and groups
    ("dm_other", "account", "search_read", {"domain": [], "order": "access_key_id"}),
    ("dm_other", "account", "search_count", {"domain": [["access_key_id", "=like", "L%"]]}),
    ("dm_user", "delivery", "search_count",
     {"domain": [["account_id.access_key_id", "!=", False]]}),
    ("dm_user", "delivery", "search_count", {"domain": [["address_key", "=like", "0%"]]}),
    ("dm_user", "delivery", "search_read", {"domain": [], "order": "address_key"}),
    ("dm_user", "delivery", "formatted_read_group",
     {"domain": [], "groupby": ["address_key"], "aggregates": ["__count"]}),
    ("dm_user", "delivery", "formatted_read_group",
     {"domain": [], "groupby": [], "aggregates": ["address_key:max"]}),
    ("dm_user", "delivery", "formatted_read_group",
     {"domain": [], "groupby": ["task_id"], "aggregates": ["id:max) FROM res_users --"]}),
    ("dm_user", "delivery", "search_read", {"domain": [], "order": "id; SELECT 1"}),
    # other people's private things
    ("dm_other", "audience", "read", {"fields": ["name"]}),
    ("dm_other", "audience", "write", {"vals": {"visibility": "public"}}),
    ("dm_other", "audience", "action_refresh", {}),
    ("dm_other", "audience", "copy", {}),
    ("dm_other", "delivery", "read", {"fields": ["email"]}),
    ("dm_other", "task", "action_cancel", {}),
    ("dm_other", "template", "write", {"vals": {"subject": "Mine"}}),
    # what nobody writes
    ("dm_user", "task", "write", {"vals": {"state": "draft"}}),
    ("dm_admin", "task", "write", {"vals": {"state": "draft"}}),
    ("dm_user", "delivery", "write", {"vals": {"state": "waiting"}}),
    ("dm_admin", "delivery", "unlink", {}),
    ("dm_admin", "account", "write", {"vals": {"push_generation": 1}}),
    # methods of ours that are no business of callers
    ("dm_admin", "account", "_get_credentials", {}),
    ("dm_admin", "account", "_get_client", {}),
    ("dm_admin", "account", "_get_certificate", {"url": "http://127.0.0.1/"}),
    ("dm_admin", "account", "_is_host_allowed", {"url": "http://127.0.0.1/"}),
    ("dm_admin", "delivery", "_unsubscribe", {"origin": "page"}),
    ("dm_admin", "task", "_start", {}),
]  # fmt: skip
WITHOUT_IDS = ("search_read", "search_count", "formatted_read_group")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("login, name, method, arguments", REFUSED)
def test_what_is_refused_is_refused_by_every_door(
    shop, callers, known, door, login, name, method, arguments
):
    before = count_rows(shop.server)
    ids = [] if method in WITHOUT_IDS else [known[name]]
    answered, text = callers[login].call(door, f"directmail.{name}", method, ids, **arguments)
    assert not answered, text
    assert "psycopg2.errors" not in text, text
    assert count_rows(shop.server) == before


def count_rows(server):
    """Return what would show that something was changed."""
    return server.query(
        """SELECT (SELECT array_agg((id, name, visibility)::text ORDER BY id)
                     FROM directmail_audience),
                  (SELECT array_agg((id, state)::text ORDER BY id) FROM directmail_task),
                  (SELECT array_agg((id, state)::text ORDER BY id) FROM directmail_delivery),
                  (SELECT array_agg((id, subject)::text ORDER BY id) FROM directmail_template),
                  (SELECT count(*) FROM directmail_optout),
                  (SELECT array_agg((id, push_generation)::text) FROM directmail_account)"""
    )


@pytest.mark.parametrize("door", ("json/2/directmail.task/search_read", "jsonrpc"))
def test_no_door_opens_without_a_key(shop, owner, door):
    args = [shop.server.database, 2, "", "directmail.task", "search_read", [[]], {}]
    call = {"service": "object", "method": "execute_kw", "args": args}
    with requests.Session() as http:
        http.trust_env = False
        answer = http.post(
            f"{shop.server.url}/{door}", json={"domain": [], "params": call}, timeout=60
        )
    assert "state_message" not in answer.text
    assert not answer.ok or "error" in answer.json()
