from psycopg2.errors import QueryCanceled

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...engine.audience import finds_records, select_people, visible_contacts
from ...engine.audience_count import count_people, count_reasons, estimate_people
from ...engine.people import Addressing
from ...engine.person import PERSON
from ..people_context import PEOPLE_CONTEXT
from .directmail_audience_refresh import RECENT

#: Seconds that a count may take; after them the planner's estimate is shown instead.
COUNT_TIMEOUT = 5


class DirectmailAudience(models.Model):
    """Live counts: the people of an audience on its form, without saving or refreshing it.

    A count tells as much as reading the records. So the people are selected with the owner's
    rights, and the user who counts must also have the rights to the fields that the lines use.
    """

    _inherit = "directmail.audience"

    @api.readonly
    def count_line(self, changes, number):
        """Count the people of one line, and of all lines down to it combined.

        :param dict changes: unsaved values of the form: `line_ids`, and `company_id` of a new
            audience
        :param int number: the position of the line, from 0
        :return: {"people": number in the line, "so_far": number in the lines down to it, "about":
            whether one of them is an estimate}, or {"error": why a line can't be used}
        :rtype: dict
        """

        def count(lines, visible, key, _line_records):
            people, about = self._count(select_people(lines[number : number + 1], visible, key))
            if not number:
                return {"people": people, "so_far": people, "about": about}
            so_far, about_too = self._count(select_people(lines[: number + 1], visible, key))
            return {"people": people, "so_far": so_far, "about": about or about_too}

        return self._with_lines(changes, count, number + 1)

    @api.readonly
    def count_all(self, changes):
        """Count the people of the whole audience, how many can be mailed, and why others can't.

        :param dict changes: as in `count_line`
        :return: {"people": number, "about": whether it is an estimate, "mailable": number or False,
            "reasons": [[label, number], …], "tens": whether these are rounded to tens, "left_out":
            of whom lines know nothing, as a sentence, or ""}, or {"error": why a line can't be
            used}. `mailable` is False if counting took too long; then "usable" is the
            `usable_count` of a refresh within `RECENT`, if there is one.
        :rtype: dict
        """
        known = self._is_known(changes)

        def count(lines, visible, key, line_records):
            people, has_records = select_people(lines, visible, key), finds_records(lines)
            total, about = self._count(people)
            if about and known:
                people, total, about = self._select_members(), self.people_count, False
                has_records = self._has_others_than_contacts()
            result = {"people": total, "about": about, "mailable": False, "reasons": []}
            if not about:
                result.update(self._count_mailable(people, has_records))
            if result["mailable"] is False and known:
                result["usable"] = self.usable_count
            own = line_records.with_env(self.env)
            result["left_out"] = own._explain_left_out(line_records.env, visible)
            return result

        return self._with_lines(changes, count)

    def _is_known(self, changes):
        """Tell whether the last refresh is recent and used the same lines as the form shows."""
        since = fields.Datetime.now() - RECENT
        return bool(self and not changes.get("line_ids") and self._is_fresh(since))

    def _select_members(self):
        """Return SQL that selects the members of the last refresh with the columns of a person."""
        return SQL(
            "SELECT %s FROM directmail_audience_member WHERE audience_id = %s", PERSON, self.id
        )

    def _with_lines(self, changes, function, until=None):
        """Call a function with the lines as the form shows them, and return its result.

        :param dict changes: as in `count_line`
        :param function: called with (list of `engine.audience.Line`, SQL of the contacts that the
            owner may see, master key, records of the lines with the owner's rights)
        :param int until: use only so many of the first lines
        :return: the function's result, or {"error": why a line can't be used}
        """
        audience = self._get_unsaved(changes)
        try:
            if self.env.user != audience.user_id:
                if changes.get("line_ids"):
                    raise UserError(
                        self.env._(
                            "Unsaved lines can only be counted for the owner, %s, because people"
                            " are chosen with the owner's rights. Save the audience and ask the"
                            " owner to take over.",
                            audience.user_id.name,
                        )
                    )
                audience._get_lines(audience._get_company_env(self.env))
            env = audience._get_owner_env()
            records = audience._get_top_lines()[:until]
            lines = [line._as_line(env) for line in records]
        except (UserError, ValueError) as error:
            return {"error": error.args[0]}
        self.env.flush_all()
        return function(lines, visible_contacts(env), self._get_key(), records.with_env(env))

    def _get_unsaved(self, changes):
        """Return the audience as a record in memory, with the lines as the form shows them.

        `user_id` never comes from the form: a user could name another owner and count with that
        owner's rights. `company_id` comes from it only for a new audience, and only if the user
        works in that company.

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
        if "line_ids" in changes:
            values["line_ids"] = changes["line_ids"]
        audience = self.new(values, origin=self)
        lines = audience.line_ids._with_inner()._origin
        if lines - self.line_ids._with_inner():
            lines.check_access("write")
        return audience

    def _count(self, people):
        """Return (number of people, whether it is an estimate).

        :param SQL people: selects the people
        """
        timeout = self._get_count_timeout()
        try:
            with self.env.cr.savepoint(flush=False):
                return count_people(self.env, people, timeout), False
        except QueryCanceled:
            return estimate_people(self.env, people), True

    def _count_mailable(self, people, has_records):
        company = self.company_id or self.env.company
        # Opt-outs and the blacklist match a clear and an encrypted address by the same address key:
        # exact figures could reveal an encrypted address, so they are rounded (`engine.tens`).
        tens = self.env["directmail.aes.key"]._is_in_use(company)
        try:
            with self.env.cr.savepoint(flush=False):
                counts = count_reasons(
                    self.env,
                    PEOPLE_CONTEXT,
                    self._get_addressing(has_records),
                    people,
                    self._get_count_timeout(),
                    self._get_mailing_lists().ids,
                    tens,
                )
        except QueryCanceled:
            return {}
        labels = dict(
            self.env["directmail.delivery"]._fields["reason"]._description_selection(self.env)
        )
        mailable = counts.pop(None, 0)
        reasons = [[labels[reason], count] for reason, count in counts.items() if count]
        return {"mailable": mailable, "reasons": reasons, "tens": tens}

    def _get_addressing(self, has_records):
        """Return how people would be mailed by a task at addresses in clear.

        :param bool has_records: whether some of them are records of other models
        :rtype: engine.people.Addressing
        """
        company = self.company_id or self.env.company
        # The AES key reads addresses of contacts only where a task mails encrypted ones.
        return Addressing(company.id, False, None, has_records)

    def _get_count_timeout(self):
        return self.env["directmail.account"]._get_seconds("count_timeout", COUNT_TIMEOUT)
