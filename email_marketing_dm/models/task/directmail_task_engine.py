from odoo import models

from ...engine.context import TaskContent
from ...engine.fatigue import TaskRules
from ...engine.people import Lenders
from ...engine.plan import TaskPlan
from ..people_context import PEOPLE_CONTEXT


class DirectmailTask(models.Model):
    """What a task hands to the engine, which calls no model itself."""

    _inherit = "directmail.task"

    def _get_task_plan(self):
        """Return what a plan or an estimate needs, as `engine.plan.TaskPlan`."""
        self.ensure_one()
        # sudo() to read the owners only. The right to use the audiences was checked when they were
        # chosen for the task.
        owners = self.audience_ids.sudo().user_id
        return TaskPlan(
            task_id=self.id,
            account_id=self.account_id.id,
            audience_ids=self.audience_ids.ids,
            lenders=Lenders(self.user_id.id, owners.ids),
            uncounted=self.is_notification and not self.notification_counts,
            rules=self._get_task_rules(),
            context=PEOPLE_CONTEXT,
        )

    def _get_task_rules(self):
        """Return what decides whether its people may be mailed, as `engine.fatigue.TaskRules`."""
        self.ensure_one()
        audiences = self.audience_ids | self.exclude_audience_ids
        return TaskRules(
            company_id=self.company_id.id,
            sender_id=self.sender_id.id or None,
            is_free=self._is_free_of_fatigue(),
            not_after=self.not_after or None,
            zone=self.account_id.tz,
            lists=self._get_mailing_lists().ids,
            is_encrypted=self.address_form == "encrypted",
            aes_reference=self.env["directmail.aes.key"]._get_reference(self.company_id),
            has_records=audiences._has_others_than_contacts(),
            except_ids=self.exclude_audience_ids.ids,
        )

    def _get_mail_content(self):
        """Return what all mails of the task have in common, as `engine.context.TaskContent`."""
        self.ensure_one()
        template = self.template_id
        return TaskContent(
            sender=self.sender_id.email,
            address_type=0 if self.address_type == "random" else 1,
            sender_name=template.sender_name,
            reply=self._get_reply(),
            tag=self.tag_name,
            template_ref=template.remote_ref,
            subject=template.submitted_subject,
            text=template.submitted_text,
            plain_names=frozenset(
                variable["name"]
                for variable in template.variables or ()
                if variable["where"] == "subject"
            ),
        )

    def _get_mail_values(self, people):
        """Return {person.id: {variable: text}}: see `directmail.template._get_values`.

        :raise UserError: if a user has left whose rights the placeholders are read with
        """
        self.ensure_one()
        self._check_lenders()
        return self.template_id._get_values(people, reader=self.user_id)
