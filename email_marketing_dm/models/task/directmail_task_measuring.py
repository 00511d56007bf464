from odoo import fields, models
from odoo.tools import SQL, formatLang

from ...engine.measuring import RULED_OUT, has_old_template

#: {figure: (kind of fact, counter of delivered mails of which it is not recorded)}
RECORDED = {
    "opened": ("open", "unmeasured_open_count"),
    "not_opened": ("open", "unmeasured_open_count"),
    "clicked": ("click", "unmeasured_click_count"),
    "not_clicked": ("click", "unmeasured_click_count"),
}
#: Anonymous counts are shown from this number of people on: that of a few may be a single person's.
ANONYMOUS_MIN = 10


class DirectmailTask(models.Model):
    """What a task says and knows about people whose opens or clicks are not recorded."""

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("nobody_measured",))

    # Set when a template that was approved before 19.0.1.9.0 is submitted again: mails with the old
    # text have gone out, so nothing is recorded of the task to the end.
    nobody_measured = fields.Boolean(
        "Opens and clicks of nobody are recorded", readonly=True, copy=False
    )

    def _get_base(self, name, delivered=None):
        """Return of how many mails a figure is the share: of delivered ones that are measured.

        :param str name: "opened", "clicked" or another figure
        :param int delivered: number of delivered mails, if the caller knows it
        """
        self.ensure_one()
        delivered = self.delivered_count if delivered is None else delivered
        if name not in RECORDED:
            return delivered
        return max(0, delivered - self[RECORDED[name][1]])

    def _is_nobody_recorded(self, figure):
        """Return whether opens or clicks of nobody are recorded, because of an old template.

        Links and pixel of a template that was approved before 19.0.1.9.0 name each recipient. If
        any of them is not measured, nothing is recorded of the whole task.

        :param str figure: a key of RECORDED; False for any other
        """
        self.ensure_one()
        if figure not in RECORDED:
            return False
        if self.nobody_measured:
            return True
        kind, _counter = RECORDED[figure]
        [(found,)] = self.env.execute_query(
            SQL(
                """SELECT %(is_old)s AND EXISTS (
                          SELECT FROM directmail_delivery
                           WHERE task_id = %(task)s AND measuring IN %(values)s)""",
                is_old=has_old_template(SQL("%s", self.id)),
                task=self.id,
                values=RULED_OUT[kind],
            )
        )
        return found

    def _explain_measuring(self, totals):
        """Return sentences about the people whose opens or clicks are not recorded.

        :param dict totals: of `_count_details`
        :rtype: list[str]
        """
        self.ensure_one()
        people = totals.get("unmeasured", 0)
        told = []
        if self._is_nobody_recorded("opened"):
            told.append(
                self.env._(
                    "Opens and clicks of nobody are recorded, because some recipients are not"
                    " measured and the template was approved before its links and its tracking"
                    " pixel had variables of their own. Submit the template again before the next"
                    " email task."
                )
            )
        if people:
            told.append(self._say_unmeasured(people, people - totals.get("only_clicks", 0)))
        if told and people >= ANONYMOUS_MIN:
            told.append(
                self.env._(
                    "In all, anonymously counted opens: %(opens)s, clicks: %(clicks)s.",
                    opens=formatLang(self.env, self.anonymous_open_count, digits=0),
                    clicks=formatLang(self.env, self.anonymous_click_count, digits=0),
                )
            )
        return told

    def _say_unmeasured(self, opens, clicks, about=False):
        """Return of how many people opens and clicks are not recorded, as a sentence.

        :param int opens: number of people whose opens are not recorded
        :param int clicks: the same of clicks
        :param bool about: whether the numbers are rounded
        """
        text = formatLang(self.env, opens, digits=0)
        if about:
            text = self.env._("about %s", text)
        if not clicks:
            return self.env._(
                "Opens of %s people are not recorded, because they have not consented to being"
                " measured.",
                text,
            )
        return self.env._(
            "Opens and clicks of %s people are not recorded, because they have not consented to"
            " being measured.",
            text,
        )

    def _warn_of_templates(self, unmeasured):
        """Return a sentence for the estimate if the task would record nobody's opens; else "".

        :param int unmeasured: number of people whose opens are not recorded
        """
        self.ensure_one()
        old = self._get_templates().filtered("needs_new_review")
        if not unmeasured or not old:
            return ""
        return self.env._(
            "The template %s was approved before its links and its tracking pixel had variables of"
            " their own. Until it is submitted again, opens and clicks of nobody in this email task"
            " are recorded.",
            old[0].name,
        )

    def _keep_unmeasured(self):
        """Set `nobody_measured` of tasks whose templates are about to be submitted again."""
        for task in self.filtered("planned_at"):
            if task._is_nobody_recorded("clicked") or task._is_nobody_recorded("opened"):
                task.nobody_measured = True
