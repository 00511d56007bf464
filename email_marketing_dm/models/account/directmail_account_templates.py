from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ...directmail import const

# From this count on, accounts show a warning and unneeded templates are deleted at DirectMail.
TEMPLATES_MANY = const.TEMPLATES_MAX * 9 // 10
# DirectMail may still be delivering mails of a task that has just ended.
KEEP_AFTER_END = timedelta(days=1)


class DirectmailAccount(models.Model):
    """Template slots of an account: DirectMail stores at most TEMPLATES_MAX templates.

    A template that an email task needs keeps its slot. Of the others, those least likely to be used
    again are deleted first. An approved one stays while slots are free, because using it after a
    deletion would cost days of review.
    """

    _inherit = "directmail.account"

    template_count = fields.Integer("Templates at DirectMail", readonly=True, copy=False)
    template_warning = fields.Char(compute="_compute_template_warning")

    @api.depends("template_count")
    def _compute_template_warning(self):
        for account in self:
            account.template_warning = (
                self.env._(
                    "Template slots in use at DirectMail: %(count)s of %(places)s. Archive"
                    " templates that you no longer need.",
                    count=account.template_count,
                    places=const.TEMPLATES_MAX,
                )
                if account.template_count >= TEMPLATES_MANY
                else False
            )

    def _check_can_call(self):
        """Refuse calls that change something at DirectMail where sending is not allowed either.

        A copied database refers to the same templates, so its changes would affect the original.

        :raise UserError: the account is not active in this database
        """
        self.ensure_one()
        # sudo(): only whether the account is armed is told.
        if not self.sudo()._is_armed():
            raise UserError(
                self.env._(
                    "The DirectMail account is not active. Ask an administrator to activate it."
                )
            )

    def _get_spare_templates(self):
        """Return the templates that take a slot and that no open email task needs.

        Rank 0: archived; 1: written for one task, which has ended; 2: there is a newer approved
        version; 3: the others. Within a rank, the longest unused comes first. Templates in review
        and those of tasks that ended less than KEEP_AFTER_END ago are left out.

        :return: [(rank, template)] in the order in which to delete them
        """
        self.ensure_one()
        templates = (
            self.env["directmail.template"]
            ._get_followed(self)
            .filtered(lambda template: template.state != "in_review")
        )
        using = templates._get_tasks("draft", "pending", "sending", "paused", "failed")
        needed = using._get_templates() | self.env["directmail.series"]._get_live_templates(self)
        newer = dict(
            templates._read_group(
                [("origin_id", "in", templates.ids), ("state", "=", "approved")],
                ["origin_id"],
                ["__count"],
            )
        )
        last_end = {}
        for task in templates._get_tasks("done", "cancelled").filtered("finished_at"):
            for template in task._get_templates():
                last_end[template] = max(task.finished_at, last_end.get(template, task.finished_at))
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
        """Free a slot for one more template.

        :raise UserError: every template at DirectMail is needed, or unknown to this database
        """
        self.ensure_one()
        if any(template._free_slot(client) for _rank, template in self._get_spare_templates()):
            return
        raise UserError(
            self.env._(
                "All template slots at DirectMail are in use, and email tasks still need all"
                " templates known to Odoo. Delete templates in DirectMail's console, or cancel"
                " email tasks that you no longer need."
            )
        )

    def _free_ended_slots(self):
        """Delete spare templates of rank 0 and 1, and others while TEMPLATES_MANY are exceeded.

        :raise UserError: the call to DirectMail fails
        """
        self.ensure_one()
        spare = self._get_spare_templates()
        surplus = max(0, self.template_count - TEMPLATES_MANY)
        freed = [template for rank, template in spare if rank <= 1]
        freed += [template for rank, template in spare if rank > 1][: max(0, surplus - len(freed))]
        if freed:
            done = self._call(lambda client: [template._free_slot(client) for template in freed])
            # sudo(): the review cron calls this, not a user.
            self.sudo().template_count = max(0, self.template_count - sum(done))
