from datetime import date

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from ...engine.people_models import Today
from ...engine.people_moves import Groups, forget_moves, select_flow

#: days before the last computation with which flows are compared if no day is given
FLOW_DAYS = 30


class DirectmailPeopleModel(models.AbstractModel):
    """The movement of people between the groups of a model, between any two days."""

    _inherit = "directmail.people.model"

    #: names of the models with the moves of each person, and with their groups on two days
    _move_model = None
    _flow_model = None

    moves_since = fields.Date("Movement known since", readonly=True, copy=False)

    def _get_groups(self):
        """Return where results and moves of this model are stored.

        :rtype: engine.people_moves.Groups
        """
        results = self.env[self._result_model]
        return Groups(
            results._table,
            self.env[self._move_model]._table,
            results._owner_field,
            self._origin.id,
            results._group_field,
        )

    def _get_move_day(self, today):
        """Return the day on which people move: never before the last computation.

        The calendar goes back by a day when the time zone of the models is changed.

        :param today: an `engine.people_models.Today`
        """
        return max(today.day, self.computed_on or today.day)

    def _note_moves(self, day):
        """Complete the moves after the results were replaced.

        :param date day: as `_get_move_day` returns it
        """
        if not self.moves_since:
            # Models of versions before 19.0.1.12.0 have results, but no moves until now.
            self.moves_since = self.computed_on or day
        self.env.execute_query(
            forget_moves(self._get_groups(), day, returns_only=day > self.moves_since)
        )

    def _get_today(self):
        """Return the present day in the models' time zone."""
        return Today(fields.Datetime.now(), self._get_tz()).day

    def _get_moves_since(self):
        """Return the first day at whose end the group of each person is known; None if none is."""
        # sudo(): a user who may read the model may know for how long its moves are kept.
        model = self.sudo()
        known = model.moves_since or model.computed_on
        months = model.company_id.directmail_moves_months
        return known and max(known, model._get_today() - relativedelta(months=months))

    # === FLOWS === #

    def get_flows(self, since=None, until=None):
        """Return how many people were in which groups at the ends of two days.

        The figures count all contacts in the model, as those of `segment_ids` do. Days for which
        nothing is known are replaced by the nearest ones.

        :param str since: the first day, "2026-03-01"; by default `FLOW_DAYS` before the second
        :param str until: the second day; by default that of the last computation
        :return: None if the model was not computed, else a dict: ``since``, ``until``, ``known``
            (the earliest) and ``last`` (the latest day) as texts; ``groups``: list of {"name",
            "label"}; ``flows``: list of {"before", "after", "people"}, where False stands for no
            group
        :rtype: dict or None
        """
        self.ensure_one()
        self.check_access("read")
        days = self._find_days(since, until)
        if not days:
            return None
        first, second = days
        results = self.env[self._result_model]
        labels = results._fields[results._group_field]._description_selection(self.env)
        rows = self.env.execute_query(
            SQL(
                """SELECT was, now, count(*) FROM (%s) flow
                    WHERE was IS NOT NULL OR now IS NOT NULL GROUP BY 1, 2""",
                select_flow(self._get_groups(), first, second),
            )
        )
        return {
            "since": str(first),
            "until": str(second),
            "known": str(self._get_moves_since()),
            "last": str(self.computed_on),
            "groups": [{"name": name, "label": label} for name, label in labels],
            "flows": [
                {"before": was or False, "after": now or False, "people": people}
                for was, now, people in sorted(rows, key=lambda row: -row[2])
            ],
        }

    def action_view_flow(self, before=False, after=False, since=None, until=None):
        """Open the people who were in one group and are in another at the ends of two days.

        :param before, after: names of groups; False for people outside of the model
        :param since, until: as in `get_flows`
        :raise UserError: if the model was not computed
        """
        self.ensure_one()
        self.check_access("read")
        first, second = self._find_days(since, until) or self._refuse_uncomputed()
        flow = self.env[self._flow_model]
        action = self._open(self._flow_model)
        action["domain"] += [
            (f"previous_{flow._group_field}", "=", before),
            (flow._group_field, "=", after),
        ]
        action["context"] = {
            "flow_of": self.id,
            "flow_since": str(first),
            "flow_until": str(second),
        }
        return action

    def action_new_audience_of_flow(self, before=False, after=False, since=None, until=None):
        """Open a new audience with one line, which selects the people of `action_view_flow`.

        :raise UserError: if the model was not computed
        """
        self.ensure_one()
        self.check_access("read")
        return self._open_new_audience(*self._describe_flow(before, after, since, until))

    def action_series_of_flow(self, before=False, after=False, since=None, until=None):
        """Open the dialog that puts the people of `action_view_flow` into a series.

        :raise UserError: if the model was not computed
        """
        self.ensure_one()
        self.check_access("read")
        name, line = self._describe_flow(before, after, since, until)
        if not line["move_until"]:
            # Movement since a date can't be found any more once older moves were deleted.
            first = fields.Date.to_date(line["move_since"])
            # sudo(): the day only, as in `_get_moves_since`.
            days = max(1, (self.sudo()._get_today() - first).days)
            line.update(move_span="days", move_days=days, move_since=False)
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_series_audience_action"
        )
        action["context"] = {
            "default_name": name,
            "default_company_id": self.company_id.id,
            "audience_lines": [line],
        }
        return action

    def _describe_flow(self, before, after, since, until):
        """Return name and values of a line that selects the people of `action_view_flow`.

        :param before, after, since, until: as for `action_view_flow`
        :raise UserError: if the model was not computed
        """
        first, second = self._find_days(since, until) or self._refuse_uncomputed()
        segments = {segment[segment._rec_name]: segment for segment in self.segment_ids}
        none = self.segment_ids.browse()
        was, now = segments.get(before, none), segments.get(after, none)
        is_last = second >= self.computed_on
        name = (
            self.env._("%(before)s to %(after)s", before=was.display_name, after=now.display_name)
            if was and now
            else self.env._("Left: %s", was.display_name)
            if was
            else self.env._("Entered: %s", now.display_name)
        )
        return name, {
            **self._get_move_vals(was, now),
            "move_kind": "moved" if was and now else "left" if was else "entered",
            "move_span": "dates",
            "move_since": str(first),
            "move_until": False if is_last else str(second),
        }

    def _get_move_vals(self, before, after):
        """Return the values of a line that selects people by the segments before and after."""
        raise NotImplementedError

    def _open_new_audience(self, name, *lines):
        """Return an action that opens a new audience.

        :param lines: values of its lines
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_action"
        )
        return {
            **action,
            "views": [(False, "form")],
            "view_mode": "form",
            "context": {
                "default_name": name,
                "default_company_id": self.company_id.id,
                "default_line_ids": [Command.create(line) for line in lines],
            },
        }

    def _refuse_uncomputed(self):
        raise UserError(
            self.env._(
                "The model %s has not been computed. Press Compute now on its page, or wait for"
                " the next daily computation.",
                self.name,
            )
        )

    def _find_days(self, since, until):
        """Return two days between which movement is known; None if the model was not computed.

        The second day is later than the first, unless movement is known of one day only.

        :param since, until: as in `get_flows`
        :return: (date, date)
        """
        known = self._get_moves_since()
        if not known:
            return None
        last, day = max(self.computed_on, known), relativedelta(days=1)
        second = min(fields.Date.to_date(until) or last, last)
        first = fields.Date.to_date(since) or second - relativedelta(days=FLOW_DAYS)
        # A line of an audience refuses two dates that are the same.
        first = max(known, min(first, last - day))
        return first, min(max(second, first + day), last)


class DirectmailPeopleMove(models.AbstractModel):
    """A person who moved from one group of a model to another on a day. Written by SQL only.

    The previous group is empty for people who entered the model, the group for people who left it.
    """

    _name = "directmail.people.move"
    _description = "Move of a Contact Between Groups"
    _inherit = ["directmail.people.result"]
    _log_access = False
    _order = "date desc, id desc"

    # Merging contacts keeps the moves of one of them: see `base.partner.merge.automatic.wizard`.
    # The unique constraint of each model begins with `partner_id`, and serves as its index.
    partner_id = fields.Many2one(index=False)
    date = fields.Date(required=True, readonly=True)

    @api.autovacuum
    def _gc_moves(self):
        """Delete the moves that are older than their company keeps them.

        The days before are not known any more, also if the company keeps moves for longer later.
        """
        if self._abstract or not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        owner = self.env[self._fields[self._owner_field].comodel_name]
        self.env["res.company"].flush_model(["directmail_moves_months"])
        owner.flush_model(["company_id", "moves_since"])
        self.env.cr.execute(
            SQL(
                """WITH known AS (
                       SELECT o.id, (%(today)s::date - make_interval(
                                         months => c.directmail_moves_months))::date AS since
                         FROM %(owner)s o JOIN res_company c ON c.id = o.company_id
                   ), gone AS (
                       DELETE FROM %(moves)s move USING known
                        WHERE known.id = move.%(field)s AND move.date < known.since
                    RETURNING known.id
                   )
                   UPDATE %(owner)s o SET moves_since = greatest(o.moves_since, known.since)
                     FROM known WHERE known.id = o.id AND o.id IN (SELECT id FROM gone)""",
                moves=SQL.identifier(self._table),
                owner=SQL.identifier(owner._table),
                field=SQL.identifier(self._owner_field),
                today=fields.Date.today(),
            )
        )
        self.invalidate_model()
        owner.invalidate_model(["moves_since"])


class DirectmailPeopleFlow(models.AbstractModel):
    """People with their groups at the ends of two days, which stand in the context.

    `flow_of` is the id of the RFM or AIPL model, `flow_since` and `flow_until` are texts of the
    days. Without them, everybody is in the group of today on both days. The id of a row is that of
    the contact, so the rows of two contexts must not be read in one transaction.
    """

    _name = "directmail.people.flow"
    _description = "Contact Between Two Days"
    _inherit = ["directmail.people.result"]
    _log_access = False

    # Not stored in a table: no index.
    partner_id = fields.Many2one(index=False)

    @property
    def _table_query(self):
        owner = self.env[self._fields[self._owner_field].comodel_name]
        results = self.env[owner._result_model]
        names = {
            "owner": SQL.identifier(self._owner_field),
            "group": SQL.identifier(self._group_field),
            "previous": SQL.identifier(f"previous_{self._group_field}"),
        }
        days = self._get_days()
        if not days:
            return SQL(
                """SELECT id, %(owner)s, partner_id, %(group)s AS %(previous)s, %(group)s
                     FROM %(results)s""",
                results=SQL.identifier(results._table),
                **names,
            )
        return SQL(
            """SELECT partner_id AS id, %(id)s AS %(owner)s, partner_id,
                      was AS %(previous)s, now AS %(group)s FROM (%(flow)s) flow""",
            id=days[0].id,
            flow=select_flow(days[0]._get_groups(), *days[1:]),
            **names,
        )

    def _get_days(self):
        """Return (RFM or AIPL model, first day, second day) of the context; None without them."""
        context = self.env.context
        owner = self.env[self._fields[self._owner_field].comodel_name]
        try:
            found = owner.browse(int(context["flow_of"]))
            return (
                found,
                *(date.fromisoformat(context[f"flow_{end}"]) for end in ("since", "until")),
            )
        except (KeyError, TypeError, ValueError):
            return None
