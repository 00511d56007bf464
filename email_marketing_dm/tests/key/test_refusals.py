"""A refusal does not name what is refused, not even in debug mode."""

import json

from odoo.tests import tagged

from ..common import AudienceCommon
from ..common_http import PatientHttpCase

NAME = "Layoffs in May"


@tagged("post_install", "-at_install")
class TestRefusals(AudienceCommon, PatientHttpCase):
    def _ask(self, model, method, *args):
        """Return all that the server answers to a call, the traceback included."""
        params = {"model": model, "method": method, "args": args, "kwargs": {}}
        answer = self.url_open(
            f"/web/dataset/call_kw/{model}/{method}",
            json.dumps({"jsonrpc": "2.0", "params": params}),
            headers={"Content-Type": "application/json"},
        )
        return str(answer.json()["error"])

    def test_a_colleague_in_debug_mode(self):
        """Everybody may switch it on, by an address that ends with `?debug=1`."""
        self.ann.name = "Ann Wombat"
        private = self._make_audience(self.people, name=NAME)
        private.action_refresh()
        members = private.sudo().member_ids
        self.env.flush_all()
        self.authenticate("dm_other", "dm_other")
        self.url_open("/odoo?debug=1")
        for model, method, *args in (
            ("directmail.audience", "read", private.ids, ["name"]),
            ("directmail.audience", "write", private.ids, {"name": "Mine"}),
            ("directmail.audience", "get_composition", private.ids),
            ("directmail.audience", "action_refresh", private.ids),
            ("directmail.audience.comparison", "create", {"audience_id": private.id}),
            ("directmail.audience.line", "read", private.line_ids.ids, ["kind"]),
            ("directmail.audience.member", "read", members.ids, ["id"]),
        ):
            with self.subTest(model, method=method):
                told = self._ask(model, method, *args)
                self.assertIn("access to", told)
                self.assertNotIn(NAME, told)
                self.assertNotIn("Wombat", told)
        told = self._ask("directmail.audience", "read", private.ids, ["name"])
        self.assertIn(f"- Audience (directmail.audience: {private.id}", told)
        self.assertIn("Blame the following rules", told, "what debug mode is for")
