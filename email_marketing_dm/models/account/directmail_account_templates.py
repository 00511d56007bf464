from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ...directmail import const

# From here on people are told, and what nobody needs makes room.
TEMPLATES_MANY = const.TEMPLATES_MAX * 9 // 10
# Mails of a task that has just ended may still be on their way through DirectMail.
KEEP_AFTER_END = timedelta(days=1)


class DirectmailAccount(models.Model):
    """DirectMail keeps a limited number of templates per account: their places, and who gets one.

    A template that an email task needs keeps its place. Of the others those go first that nobody
    will want again; an approved one is left alone for as long as there is room, because its next
    use would cost days of review.
    """

    _inherit = "directmail.account"

    template_count = fields.Integer("Templates at DirectMail", readonly=True, copy=False)
    template_warning = fields.Char(compute="_compute_template_warning")

    @api.depends("template_count")
    def _compute_template_warning(self):
        for account in self:
            account.template_warning = (
                self.env._(
                    "%(count)s of DirectMail's %(places)s places for templates are taken. Archive"
                    " templates that nobody needs any more.",
                    count=account.template_count,
                    places=const.TEMPLATES_MAX,
                )
                if account.template_count >= TEMPLATES_MANY
                else False
            )

    def _check_can_call(self):
        """Refuse to change anything at DirectMail from where nothing may be sent either.

        A copied database has the original's templates: what it changed would be changed there too.

        :raise UserError: if the account is not active in this very database
        """
        self.ensure_one()
        if not self.sudo()._is_armed():
            raise UserError(
                self.env._(
                    "The DirectMail account is not active. Ask an administrator to activate it."
                )
            )

    def _get_spare_templates(self):
        """Return the templates that keep a place and are needed by no email task.

        First those that are archived, then those that were written for one task which has ended,
        then those of which there is a newer version, then the others; the longest unused first.

        :return: [(rank from 0, template)]
        """
        self.ensure_one()
        templates = (
            self.env["directmail.template"]
            ._get_followed(self)
            .filtered(lambda template: template.state != "in_review")
        )
        needed = templates._get_tasks("draft", "pending", "sending", "paused", "failed").template_id
        newer = dict(
            templates._read_group(
                [("origin_id", "in", templates.ids), ("state", "=", "approved")],
                ["origin_id"],
                ["__count"],
            )
        )
        last_end = dict(
            self.env["directmail.task"]
            .sudo()
            .with_context(active_test=False)
            ._read_group(
                [("template_id", "in", templates.ids)], ["template_id"], ["finished_at:max"]
            )
        )
        now = fields.Datetime.now()
        spare = []
        for template in templates - needed:
            ended = last_end.get(template)
            if ended and now - ended < KEEP_AFTER_END:
                continue
            if not template.active:
                rank = 0
            elif template.task_id and ended:
                rank = 1
            else:
                rank = 2 if template in newer else 3
            spare.append((rank, ended or template.reviewed_at or template.create_date, template))
        spare.sort(key=lambda row: row[:2])
        return [(rank, template) for rank, _used, template in spare]

    def _make_room(self, client):
        """Free a place for one more template.

        :raise UserError: if every template is needed, or was not made here
        """
        self.ensure_one()
        if any(template._free_place(client) for _rank, template in self._get_spare_templates()):
            return
        raise UserError(
            self.env._(
                "DirectMail has no place left for another template, and email tasks need all that"
                " are known here. Delete some in DirectMail's console, or cancel email tasks that"
                " are not wanted any more."
            )
        )

    def _free_ended_places(self):
        """Free the places that nobody will want again, and more of them when few are left.

        :raise UserError: if DirectMail can't be reached
        """
        self.ensure_one()
        spare = self._get_spare_templates()
        surplus = max(0, self.template_count - TEMPLATES_MANY)
        freed = [template for rank, template in spare if rank <= 1]
        freed += [template for rank, template in spare if rank > 1][: max(0, surplus - len(freed))]
        if freed:
            done = self._call(lambda client: [template._free_place(client) for template in freed])
            self.sudo().template_count = max(0, self.template_count - sum(done))
