"""The README grants an AccessKey what the addon calls, and no more."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_policy_is_what_the_addon_calls():
    [policy] = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    [statement] = json.loads(policy)["Statement"]
    client = (ROOT / "email_marketing_dm" / "directmail" / "client.py").read_text()
    called = re.findall(r'self\._(?:call|list|pages)\(\s*"(\w+)"', client)
    assert len(called) > 10, "has the client changed?"
    expected = {"SingleSendMail", *called}
    assert set(statement["Action"]) == {f"dm:{action}" for action in expected}
