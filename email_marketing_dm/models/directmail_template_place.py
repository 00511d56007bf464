import logging
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..directmail.errors import DirectMailError, is_not_allowed

_logger = logging.getLogger(__name__)


class DirectmailTemplate(models.Model):
    """Archiving and deleting, which give a template's place at DirectMail back."""

    _inherit = "directmail.template"

    template_warning = fields.Char(related="account_id.template_warning")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_needed(self):
        tasks = self.env["directmail.task"].sudo().with_context(active_test=False)
        self._check_not_needed(
            tasks.search([("template_id", "in", self.ids)]),
            self.env._("Archive it instead: that frees its place at DirectMail too."),
        )

    def unlink(self):
        self.check_access("unlink")
        self._unlink_except_needed()
        for account, templates in self.sudo().filtered("remote_ref").grouped("account_id").items():
            if account._is_armed():
                refs = templates.mapped("remote_ref")
                account._call(partial(_delete_all_remote, refs, is_optional=True))
            else:
                _logger.info("Templates %s stay at DirectMail: inactive account", templates.ids)
        return super().unlink()

    def _check_archivable(self):
        """Refuse to archive what an email task still needs.

        :raise UserError: naming the tasks
        """
        self._check_not_needed(
            self._get_tasks("pending", "sending", "paused"),
            self.env._("Cancel them, or wait until they are done."),
        )

    def _give_back_places(self):
        """Have the job delete these archived templates at DirectMail, soon."""
        if any(self.mapped("remote_ref")):
            self.env.ref("email_marketing_dm.ir_cron_directmail_review").sudo()._trigger()

    def _check_not_needed(self, tasks, advice):
        """Refuse to give up templates that email tasks need.

        :param advice: what to do instead, a sentence
        :raise UserError: with the names of the tasks
        """
        if tasks:
            states = dict(tasks._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "These email tasks use the template: %(tasks)s. %(advice)s",
                    tasks=", ".join(f"{task.name} ({states[task.state]})" for task in tasks),
                    advice=advice,
                )
            )

    def _free_place(self, client):
        """Delete the template at DirectMail; here it stays, to be submitted again.

        In a transaction of its own: what becomes of the one that needs the place must not undo the
        reason why the template is gone. All is written before the call, so that nothing is left
        that could fail after it.

        :return: whether the place is free; not if somebody is changing the template
        :rtype: bool
        """
        self.ensure_one()
        with self.env.registry.cursor() as cr:
            env = self.env(cr=cr, su=True, context={**self.env.context, "lang": self.user_id.lang})
            template = self.with_env(env).try_lock_for_update()
            remote_ref = self.remote_ref
            if (template.state, template.remote_ref) != (self.state, remote_ref):
                return False
            template._lapse("freed")
            env.flush_all()
            _delete_all_remote([remote_ref], client)
        self.invalidate_recordset()
        return True


def _delete_all_remote(remote_refs, client, is_optional=False):
    """Delete templates at DirectMail; those that are gone already are as good.

    :param is_optional: leave them there where the account may not delete templates
    """
    for remote_ref in remote_refs:
        try:
            client.delete_template(remote_ref)
        except DirectMailError as error:
            if is_optional and is_not_allowed(error):
                _logger.warning("Templates %s stay at DirectMail: %s", remote_refs, error.code)
                return
            if error.kind != "not_found":
                raise
