"""The README grants an AccessKey what the addon calls, and no more."""

import json
import re
from pathlib import Path

from email_marketing_dm.directmail import permissions

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_the_client_calls():
    client = (ROOT / "email_marketing_dm" / "directmail" / "client.py").read_text()
    called = re.findall(r'self\._(?:call|list|pages)\(\s*"(\w+)"', client)
    assert len(called) > 10, "has the client changed?"
    actions = permissions.get_actions()
    assert set(actions) == {"SingleSendMail", *called}
    assert len(actions) == len(set(actions))


def test_the_policy_is_made_from_the_table():
    [policy] = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert json.loads(policy) == json.loads(permissions.make_policy())
