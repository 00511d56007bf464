from contextlib import closing

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, formatLang

from ..engine.measuring import UNRECORDED, is_refused
from ..models.task.directmail_task_family import FOLLOW_UP_NAMES, FOLLOWED, GOT_IT


class DirectmailTaskFollowUp(models.TransientModel):
    """*Follow up*: make an email task for some of the people of one that is done.

    The people are an audience of the user's own, of the kinds of lines that all audiences have. It
    is refreshed when the follow-up starts, so that people who open the mail until then are left
    out.
    """

    _name = "directmail.task.follow.up"
    _description = "Follow Up"
    _inherit = ["directmail.links"]

    task_id = fields.Many2one("directmail.task", "Email task", required=True, readonly=True)
    account_id = fields.Many2one(related="task_id.account_id")
    people = fields.Selection(FOLLOWED, "Who gets it?")
    mail = fields.Selection(
        [
            ("same", "The same mail"),
            ("subject", "The same mail with another subject"),
            ("template", "Another template"),
        ],
        "Which mail?",
        compute="_compute_mail",
        store=True,
        readonly=False,
    )
    subject = fields.Char()
    template_id = fields.Many2one("directmail.template", domain="[('account_id', '=', account_id)]")
    old_subject = fields.Char("Subject so far", compute="_compute_old_subject")
    needs_other = fields.Boolean("Needs another mail", compute="_compute_needs")
    needs_review = fields.Boolean("Needs a review", compute="_compute_needs")

    @api.depends("task_id")
    def _compute_old_subject(self):
        for wizard in self:
            wizard.old_subject = wizard.task_id._get_winning_template().subject

    @api.depends("people")
    def _compute_mail(self):
        for wizard in self:
            wizard.mail = "subject" if wizard.people in GOT_IT else "same"

    @api.depends("people", "mail", "template_id")
    def _compute_needs(self):
        for wizard in self:
            wizard.needs_other = wizard.people in GOT_IT and wizard.mail == "same"
            wizard.needs_review = wizard.mail == "subject" or (
                wizard.mail == "template"
                and bool(wizard.template_id)
                and wizard.template_id.state != "approved"
            )

    @api.model
    def count_people(self, task_id, people):
        """Count the people of a follow-up, with the rights of the current user.

        The user sees all of these people, so the number is exact. For people who joined, the user's
        own audiences are refreshed, which is rolled back.

        :param int task_id: of the task that is followed up
        :param str people: a value of FOLLOWED
        :return: {"people": number, "text": the number as text, "note": who is left out}, or
            {"error": why there are none}
        :rtype: dict
        """
        task = self.env["directmail.task"].browse(task_id)
        task.check_access("read")
        if people not in list(dict(FOLLOWED)):
            return {"error": self.env._("Choose who gets the follow-up.")}
        audiences = self.env["directmail.audience"]
        try:
            lines = self._make_lines(task, people)
            with closing(self.env.cr.savepoint()):
                if people == "joined":
                    mine = task.audience_ids.filtered(lambda one: one.user_id == self.env.user)
                    mine._refresh()
                changes = {"company_id": task.company_id.id, "line_ids": lines}
                told = audiences.count_line(changes, len(lines) - 1)
            self.env.invalidate_all()
        except UserError as error:
            return {"error": error.args[0]}
        if "error" in told:
            return told
        number = told["so_far"]
        text = formatLang(self.env, number, digits=0)
        return {
            "people": number,
            "text": self.env._("about %s", text) if told["about"] else text,
            "note": self._explain_left_out(task, people),
        }

    @api.model
    def _explain_left_out(self, task, people):
        """Return how many people are left out because they are not measured; "" if none.

        :param str people: a value of FOLLOWED
        """
        unrecorded = UNRECORDED.get({"not_opened": "open", "not_clicked": "click"}.get(people))
        if not unrecorded:
            return ""
        # Reading the task was checked; its mails that went out are counted exactly.
        [(number,)] = self.env.execute_query(
            SQL(
                """SELECT count(*) FROM directmail_delivery d
                    WHERE task_id = %s AND state = 'sent' AND (measuring IN %s OR %s)""",
                task.id,
                unrecorded,
                is_refused(SQL.identifier("d")),
            )
        )
        if not number:
            return ""
        return self.env._(
            "Left out, because they have not consented to being measured: %s",
            formatLang(self.env, number, digits=0),
        )

    @api.model
    def _make_lines(self, task, people):
        """Return commands that create the lines of the follow-up's audience.

        :raise UserError: if the people can't be told
        """
        if people == "not_opened" and not task.track_opens:
            raise UserError(self.env._("Opens were not recorded."))
        if people == "not_clicked" and not task.track_clicks:
            raise UserError(self.env._("Clicks were not recorded."))
        if people != "joined":
            lines = [{"kind": "task", "task_id": task.id, "task_result": people}]
        else:
            if not task.audience_ids:
                raise UserError(self.env._("The audience was deleted."))
            lines = [
                *(
                    {"kind": "audience", "source_id": audience.id, "operator": "or"}
                    for audience in task.audience_ids
                ),
                {
                    "kind": "task",
                    "task_id": task.id,
                    "task_result": "planned",
                    "operator": "except",
                },
            ]
        return [
            fields.Command.create({**line, "sequence": number})
            for number, line in enumerate(lines, 1)
        ]

    def action_create(self):
        """Make the follow-up as a draft with its audience, and open it."""
        self.ensure_one()
        task = self.task_id
        task.check_access("read")
        task._check_followable()
        content = self._get_content()
        words = self.env._(FOLLOW_UP_NAMES[self.people])
        name = words % task.name
        audience = self.env["directmail.audience"].create(
            {
                "name": name,
                "company_id": task.company_id.id,
                "line_ids": self._make_lines(task, self.people),
            }
        )
        audience.action_refresh()
        follow_up = task.copy(
            {
                "name": name,
                "audience_ids": [fields.Command.set(audience.ids)],
                "use_as_is": False,
                "version_ids": False,
                **content,
            }
        )
        # sudo(): the fields are guarded; the follow-up is the user's own, and reading the task was
        # checked above.
        follow_up.sudo().write({"origin_id": task.id, "family_id": task.family_id.id or task.id})
        return {
            "type": "ir.actions.act_window",
            "res_model": follow_up._name,
            "res_id": follow_up.id,
            "views": [(False, "form")],
        }

    def _get_content(self):
        """Return the values of the follow-up's mail.

        :rtype: dict
        :raise UserError: if something is missing, or people would get the same mail twice
        """
        if not self.people:
            raise UserError(self.env._("Choose who gets the follow-up."))
        # After an A/B test, the same mail is that of the winner.
        sent = self.task_id._get_winning_template()
        content = {"template_id": sent.id}
        if self.mail == "subject":
            if not (self.subject or "").strip():
                raise UserError(self.env._("Enter the other subject."))
            content["subject"] = self.subject
        elif self.mail == "template":
            if not self.template_id:
                raise UserError(self.env._("Choose the other template."))
            content["template_id"] = self.template_id.id
        template = self.template_id if self.mail == "template" else sent
        mark = template._get_content_mark(content.get("subject"))
        if self.people in GOT_IT and mark in self.task_id._get_content_marks():
            raise UserError(
                self.env._(
                    "These people got this mail already. Enter another subject, or choose another"
                    " template."
                )
            )
        return content
