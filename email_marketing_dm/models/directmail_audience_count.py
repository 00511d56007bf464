from psycopg2.errors import QueryCanceled

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..engine.audience import select_people, visible_contacts
from ..engine.audience_count import count_people, count_reasons, estimate_people
from .directmail_audience_refresh import RECENT

#: How long counting may take before an estimate is shown instead, in seconds.
COUNT_TIMEOUT = 5


class DirectmailAudience(models.Model):
    """Counting while an audience is being built, without saving or refreshing it.

    A count is as good as a look, so nothing is counted that the user could not look at: the
    owner's rights decide, and whoever counts must have the rights to the fields as well.
    """

    _inherit = "directmail.audience"

    def count_line(self, changes, number):
        """Count the people of one line, and those after it.

        :param dict changes: values of the form that are not saved; only the lines are read
        :param int number: which of the lines, from 0
        :return: {"people": n, "so_far": n, "about": whether these are estimates}, or
            {"error": why the line can't be used}
        :rtype: dict
        """

        def count(lines, visible, key):
            people, about = self._count(select_people(lines[number : number + 1], visible, key))
            if not number:
                return {"people": people, "so_far": people, "about": about}
            so_far, about_too = self._count(select_people(lines[: number + 1], visible, key))
            return {"people": people, "so_far": so_far, "about": about or about_too}

        return self._with_lines(changes, count, number + 1)

    def count_all(self, changes):
        """Count the people of the whole audience, how many can be mailed, and why others can't.

        :param dict changes: as `count_line`
        :return: {"people": n, "about": bool, "mailable": n or False, "reasons": [[label, n], …]},
            or {"error": why}; `mailable` is False where it would take too long, and then `usable`
            says how many have an address, if a refresh has just counted them
        :rtype: dict
        """
        known = self._is_known(changes)

        def count(lines, visible, key):
            people = select_people(lines, visible, key)
            total, about = self._count(people)
            if about and known:
                people, total, about = self._select_members(), self.people_count, False
            result = {"people": total, "about": about, "mailable": False, "reasons": []}
            if not about:
                result.update(self._count_mailable(people, key))
            if result["mailable"] is False and known:
                result["usable"] = self.usable_count
            return result

        return self._with_lines(changes, count)

    def _is_known(self, changes):
        """Tell whether the figures of the last refresh are those of the form as it stands."""
        return bool(
            self
            and not changes.get("rule_ids")
            and self.refreshed_at
            and self.refreshed_at >= fields.Datetime.now() - RECENT
            and not self._may_have_changed()
        )

    def _select_members(self):
        """Return SQL that selects the people of the last refresh, as six columns of a person."""
        return SQL(
            """SELECT partner_id, res_model, res_id, email, email_encrypted, address_key
                 FROM directmail_audience_member WHERE audience_id = %s""",
            self.id,
        )

    def _with_lines(self, changes, function, until=None):
        """Return what a function makes of the unsaved lines, or why they can't be used."""
        audience = self._get_unsaved(changes)
        try:
            if self.env.user != audience.user_id:
                if changes.get("rule_ids"):
                    raise UserError(
                        self.env._(
                            "Lines that are not saved are counted for the owner only, because their"
                            " rights count. Save, and ask %s to take over.",
                            audience.user_id.name,
                        )
                    )
                audience._get_lines(audience._get_company_env(self.env))
            env = audience._get_owner_env()
            rules = audience._get_top_rules()[:until]
            lines = [rule._as_line(env) for rule in rules]
        except (UserError, ValueError) as error:
            return {"error": error.args[0]}
        self.env.flush_all()
        return function(lines, visible_contacts(env), self._get_key())

    def _get_unsaved(self, changes):
        """Return the audience as a record in memory, with the lines as they are on the form.

        The owner and the company are never taken from the form: whoever could name another owner
        could count with that one's rights.

        :raise AccessError: if the user may not change the audience, or one of the lines
        """
        if self:
            self.ensure_one()
            self.check_access("write")
            owner, company = self.user_id, self.company_id
        else:
            self.check_access("create")
            owner, company = self.env.user, self.env.company
            chosen = changes.get("company_id")
            if chosen in owner.company_ids.ids:
                company = self.env["res.company"].browse(chosen)
        values = {"user_id": owner.id, "company_id": company.id}
        if "rule_ids" in changes:
            values["rule_ids"] = changes["rule_ids"]
        audience = self.new(values, origin=self)
        lines = audience.rule_ids._with_inner()._origin
        if lines - self.rule_ids._with_inner():
            lines.check_access("write")
        return audience

    def _count(self, people):
        """Return (how many people, whether that is an estimate)."""
        timeout = self._get_count_timeout()
        try:
            with self.env.cr.savepoint(flush=False):
                return count_people(self.env, people, timeout), False
        except QueryCanceled:
            return estimate_people(self.env, people), True

    def _count_mailable(self, people, key):
        company = self.company_id or self.env.company
        # Opt-outs, blacklist and limits know encrypted people by the same key.
        tens = self.env["directmail.aes.key"]._is_in_use(company)
        try:
            with self.env.cr.savepoint(flush=False):
                counts = count_reasons(
                    self.env, people, company, key, self._get_count_timeout(),
                    self._get_mailing_lists().ids, tens,
                )  # fmt: skip
        except QueryCanceled:
            return {}
        labels = dict(
            self.env["directmail.delivery"]._fields["reason"]._description_selection(self.env)
        )
        mailable = counts.pop(None, 0)
        reasons = [[labels[reason], count] for reason, count in counts.items() if count]
        return {"mailable": mailable, "reasons": reasons, "tens": tens}

    def _get_count_timeout(self):
        return self.env["directmail.account"]._get_seconds("count_timeout", COUNT_TIMEOUT)
