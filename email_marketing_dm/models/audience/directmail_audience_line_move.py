from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_date, format_list

from ...engine.people_models import MOST_DAYS
from ...engine.people_moves import select_moved, select_returned
from ...engine.person import person_columns

MOVE_FIELDS = ("move_kind", "move_span", "move_days", "move_since", "move_until")


class DirectmailAudienceLine(models.Model):
    """Movement between the stages of an AIPL model, or the types of an RFM model.

    The kinds `aipl` and `rfm` share it: their files say which groups are chosen.
    """

    _inherit = "directmail.audience.line"

    is_move = fields.Boolean("Selects by movement", compute="_compute_is_move")
    move_kind = fields.Selection(
        [
            ("moved", "Moved from one to another"),
            ("entered", "Entered the model"),
            ("left", "Left the model"),
            ("back", "Came back"),
        ],
        "Movement",
        default="moved",
        help="Compares the groups of people at the end of two days. “Came back” finds people who"
        " had left the model, entered it again and are still in it.",
    )
    move_span = fields.Selection(
        [("days", "The last days"), ("dates", "Two dates")], "Period of the movement",
        default="days",
    )  # fmt: skip
    move_days = fields.Integer(
        "Moved within the last (days)",
        default=30,
        help="The groups of so many days ago are compared with those of the last computation, or"
        " the earliest ones that are known if the model is younger.",
    )
    move_since = fields.Date("From the end of")
    move_until = fields.Date(
        "To the end of", help="If it is empty, the groups of the last computation are compared."
    )

    @api.constrains("move_span", "move_days", "move_since", "move_until")
    def _check_move(self):
        for line in self:
            if line.move_days < 0:
                raise ValidationError(self.env._("The number of days can't be negative."))
            if line.move_since and line.move_until and line.move_since >= line.move_until:
                raise ValidationError(
                    self.env._("The second date of a movement must be after the first.")
                )

    @api.onchange("aipl_model_id", "rfm_model_id")
    def _onchange_people_model(self):
        """Remove types and stages of the model before: the form does not show all of them."""
        for kind in ("aipl", "rfm"):
            model = self[f"{kind}_model_id"]._origin
            for name in (f"{kind}_before_ids", f"{kind}_segment_ids"):
                self[name] = self[name].filtered(
                    lambda segment, model=model: segment._origin._get_owner() == model
                )

    @api.depends("kind", "aipl_by", "rfm_by")
    def _compute_is_move(self):
        for line in self:
            line.is_move = line._selects_moves()

    def _selects_moves(self):
        """Tell whether the line selects people by their movement.

        `is_move` is for the form only: live counts get its value from the browser.
        """
        if self.kind == "aipl":
            return self.aipl_by == "move"
        return self.kind == "rfm" and self.rfm_by == "move"

    def _select_move(self, env, model, before, after):
        """Return SQL that selects the people who moved.

        :param env: the environment whose user's rights to the model are checked
        :param model: the RFM or AIPL model
        :param before, after: the chosen segments; empty ones stand for all groups, except for the
            kind of movement `moved`
        :return: SQL with the columns `engine.person.PERSON_COLUMNS`, each person once
        :raise UserError: (or a subclass) if nothing is chosen, or the groups of the first day are
            not known
        """
        model._origin.with_env(env).check_access("read")
        since, until = self._get_move_days(env, model)
        groups = model._get_groups()
        everything = model.env[model._segment_model]._fields[groups.group].get_values(model.env)
        was = model._check_own_segments(before).mapped(groups.group)
        now = model._check_own_segments(after).mapped(groups.group)
        if self.move_kind == "moved" and not (was and now):
            raise UserError(
                env._("Choose between which types or stages of the model people moved.")
            )
        if self.move_kind == "back":
            moved = select_returned(groups, since, until, now or everything)
        else:
            moved = select_moved(
                groups,
                since,
                until,
                [None] if self.move_kind == "entered" else was or everything,
                [None] if self.move_kind == "left" else now or everything,
            )
        return SQL("SELECT %s FROM (%s) moved", person_columns("partner_id"), moved)

    def _get_move_days(self, env, model):
        """Return the two days whose groups are compared.

        :return: (date, date)
        :raise UserError: if the model was not computed, a date is missing, or the groups of the
            first day are not known: under *except* the line would remove too few people
        """
        # sudo(): the right to read the model was checked by `_select_move`.
        model = model.sudo()
        known = model._get_moves_since()
        if not known:
            model.with_env(env)._refuse_uncomputed()
        last = max(model.computed_on, known)
        if self.move_span != "dates":
            since = max(known, model._get_today() - timedelta(days=min(self.move_days, MOST_DAYS)))
            return min(since, last), last
        if not self.move_since:
            raise UserError(env._("Enter the first date of the movement."))
        if self.move_since < known:
            raise UserError(
                env._(
                    "The movement in the model %(model)s is known since %(date)s. Choose a first"
                    " date from then on.",
                    model=model.name,
                    date=format_date(env, known),
                )
            )
        return self.move_since, max(self.move_until or last, self.move_since)

    # === IN WORDS === #

    def _describe_move(self, model, before, after):
        """Return the line in words.

        :param model, before, after: as in `_select_move`, readable by the caller
        """
        words = {
            "model": model.display_name,
            "before": format_list(self.env, before.mapped("display_name"), "or"),
            "after": format_list(self.env, after.mapped("display_name"), "or"),
            "when": self._describe_move_span(),
        }
        if self.move_kind == "entered":
            if after:
                return self.env._("Entered %(model)s %(when)s: %(after)s", **words)
            return self.env._("Entered %(model)s %(when)s", **words)
        if self.move_kind == "left":
            if before:
                return self.env._("Left %(model)s %(when)s: %(before)s", **words)
            return self.env._("Left %(model)s %(when)s", **words)
        if self.move_kind == "back":
            if after:
                return self.env._("Came back to %(model)s %(when)s: %(after)s", **words)
            return self.env._("Came back to %(model)s %(when)s", **words)
        return self.env._("In %(model)s %(when)s: from %(before)s to %(after)s", **words)

    def _describe_move_span(self):
        if self.move_span != "dates":
            return self.env._("within the last %s days", self.move_days)
        if not self.move_until:
            return self.env._("since %s", format_date(self.env, self.move_since))
        return self.env._(
            "between %(first)s and %(second)s",
            first=format_date(self.env, self.move_since),
            second=format_date(self.env, self.move_until),
        )
