from odoo import fields

from .common import start_task
from .common_upload import UploadMixin

HIDDEN, PRIVATE = "hidden@example.com", "private@example.com"


class SeenMixin(UploadMixin):
    """A colleague's public audience.

    In it are Vera, whom everybody sees, Hilda, whom only the colleague sees, and an address that
    the colleague uploaded.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vera, cls.hilda, cls.decoy = cls.env["res.partner"].create(
            [
                {"name": "Vera", "email": "vera@example.com"},
                {"name": "Hilda", "email": HIDDEN, "ref": "secret"},
                {"name": "Decoy", "email": "decoy@example.com"},
            ]
        )
        cls.env["ir.rule"].create(
            {
                "name": "Hilda is seen by few",
                "model_id": cls.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[(1, '=', 1)] if user.id in {(cls.other.id, cls.env.uid)}"
                " else [('ref', '!=', 'secret')]",
            }
        )

    def _lend(self, more=(), **vals):
        """Return the colleague's public audience, refreshed.

        :param more: emails of further contacts whom only the colleague sees
        """
        people = self._make_people(*more, ref="secret")
        upload = self._upload(f"{PRIVATE}\n", user=self.other)
        lines = [
            {"domain": f"[('id', 'in', {(self.vera + self.hilda + people).ids})]"},
            {"operator": "or", "kind": "upload", "upload_id": upload.id, "sequence": 20},
        ]
        audience = self._make_audience(
            None, self.other, lines=lines, **{"name": "Lent", "visibility": "public", **vals}
        )
        self._refresh_all(audience)
        return audience

    def _guess(self, *emails, user=None, **vals):
        """Return an own audience of uploaded addresses, refreshed."""
        upload = self._upload("\n".join(emails), user=user, **vals)
        audience = self._make_audience(
            None, user, lines=[{"kind": "upload", "upload_id": upload.id}], name="Guesses"
        )
        self._refresh_all(audience)
        return audience

    def _refresh_all(self, audiences):
        audiences.action_refresh()
        self.assertEqual(audiences.mapped("refresh_error"), [False] * len(audiences))

    def _plan(self, audiences, template=None, **vals):
        """Return an email task of the user that has started, without having sent anything."""
        for name in ("exclude_audience_ids",):
            if name in vals:
                vals[name] = [fields.Command.set(vals[name].ids)]
        task = self._make_task(audiences.with_user(self.user), template, **vals)
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(task.state, "sending", task.state_message)
        self.env.flush_all()
        self.env.invalidate_all()
        return task
