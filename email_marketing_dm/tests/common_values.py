import re

from odoo.fields import Command

from .common import BODY, DirectmailCommon


def read_texts(html):
    """Return what stands in the place of the placeholders of `ValuesCommon._draft`."""
    # DirectMail may store other characters of the template as entities.
    html = html.replace("&#171;", "«").replace("&#187;", "»")
    return re.search("«(.*)»", html)[1].split("|")


class ValuesCommon(DirectmailCommon):
    """Two contacts, each of another firm, and templates with placeholders between « and »."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.secret = cls.env["res.partner"].create({"name": "Secret Ltd", "is_company": True})
        cls.open = cls.env["res.partner"].create({"name": "Open Ltd", "is_company": True})
        cls.ann, cls.bob = cls._make_people("ann@example.com", "bob@example.com")
        cls.ann.parent_id = cls.secret
        cls.bob.parent_id = cls.open

    def _hide(self, record, *users):
        """Make a record rule that keeps a record from users, and all others open."""
        rights = self.env["res.groups"].create(
            {"name": "Kept out", "user_ids": [u.id for u in users]}
        )
        self.env["ir.rule"].create(
            {
                "name": "Kept out",
                "model_id": self.env["ir.model"]._get_id(record._name),
                "groups": [Command.set(rights.ids)],
                "domain_force": f"[('id', '!=', {record.id})]",
            }
        )
        for user in users:
            # rules of groups add up, so those of the other groups must not open it again
            user.group_ids.all_implied_ids.rule_groups.filtered(
                lambda rule: rule.model_id.model == record._name and rights not in rule.groups
            ).unlink()

    def _draft(self, *expressions, user=None):
        places = "|".join(f'<t t-out="{expression}">-</t>' for expression in expressions)
        body = f"{BODY}<p>«{places}»</p>"
        return self._make_template(approved=False, body_html=body, subject="News").with_user(
            user or self.user
        )

    def _preview(self, template, person, user=None):
        """Return the texts of the placeholders as a reader sees them before a submission."""
        values = {
            name: template[name] for name in ("subject", "sender_name", "preview_text", "body_html")
        }
        values["account_id"] = template.account_id.id
        html = template.with_user(user or self.user).preview_content(values, person.id)["html"]
        return read_texts(html)

    def _sent(self, template, people, user=None):
        """Send to people; return {address: the texts of the placeholders}."""
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        task = self._make_task(self._make_audience(people), template)
        if user:
            task.sudo().user_id = user
            task = task.with_user(user)
        task.action_send()
        self._run_cron()
        return {
            mail["to"]: read_texts(self.emulator.mail(mail["env_id"])["html"])
            for mail in self.emulator.ledger(task.tag_name)
        }
