from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user

from .common import ACCESS_KEY_SECRET, DirectmailCommon
from .common_encrypted import ALICE, KEY, EncryptedMixin

OURS = "email_marketing_dm.group_"
#: Texts that stand in the secret things only.
MARKS = (ACCESS_KEY_SECRET, KEY, "alice@example", "wombat", "numbat")
REFUSALS = (AccessError, UserError, ValueError)


class WaysCommon(EncryptedMixin, DirectmailCommon):
    """Secrets and hidden people, and a colleague and a stranger who look for them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._enter_key()
        cls.encrypted = cls._make_encrypted(ALICE)
        [cls.hidden] = cls._make_people("wombat@hidden.example", name="Hidden Wombat", ref="hidden")
        cls.shown = cls._make_people("ann@example.com")
        cls.env["ir.rule"].create(
            {
                "name": "Some contacts are for one user",
                "model_id": cls.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('ref', '!=', 'hidden')] if user.id != {cls.user.id} else []",
            }
        )
        people = cls.hidden + cls.encrypted + cls.shown
        cls.private = cls._make_audience(people, name="Numbats", lines=None)
        cls.public = cls._make_audience(people, name="Everybody", visibility="public")
        (cls.private + cls.public).action_refresh()
        cls.private.message_post(body="Numbats are to be called about Wombat")
        cls.env["ir.attachment"].with_user(cls.user).create(
            {
                "name": "numbats.csv",
                "raw": b"wombat@hidden.example",
                "res_model": cls.private._name,
                "res_id": cls.private.id,
            }
        )
        cls.task = cls._make_task(cls.private, name="To the numbats")
        group_ids = [Command.link(cls.env.ref("base.group_allow_export").id)]
        elsewhere = cls.env["res.company"].create({"name": "Elsewhere"})
        cls.other.group_ids = group_ids
        cls.other.group_ids += cls.env.ref(f"{OURS}download")
        cls.far = new_test_user(
            cls.env, "dm_far", f"{OURS}admin,base.group_allow_export",
            company_id=elsewhere.id, company_ids=[Command.set(elsewhere.ids)],
        )  # fmt: skip
        cls.ours = [name for name in cls.env.registry if name.startswith("directmail.")]
        cls.env.flush_all()

    def _as(self, user):
        self.env.invalidate_all()
        return self.env(user=user.id, su=False, context={"active_test": False})

    def _try(self, function, *args, **kwargs):
        """Return what a way tells: its answer, or the words of the refusal."""
        try:
            with self.env.cr.savepoint():
                return str(function(*args, **kwargs)), False
        except REFUSALS as error:
            return str(error), True

    def assertTellsNothing(self, function, *args, **kwargs):
        told, _refused = self._try(function, *args, **kwargs)
        self.assertEqual([mark for mark in MARKS if mark.lower() in told.lower()], [], told[:2000])

    def assertRefused(self, function, *args, **kwargs):
        told, refused = self._try(function, *args, **kwargs)
        self.assertTrue(refused, f"not refused: {told[:500]}")
        self.assertEqual([mark for mark in MARKS if mark.lower() in told.lower()], [], told[:2000])

    def _intruders(self):
        """Give a colleague, and an administrator of another company, with all that they may do."""
        for user in (self.other, self.far):
            yield self._as(user)
