from collections import defaultdict

from odoo import fields, models
from odoo.fields import Domain

from ...engine.people_models import Move


class DirectmailPeopleResult(models.AbstractModel):
    """A contact in a group of an RFM or AIPL model. Written only in bulk, by SQL.

    Archived contacts stay until the model is computed again.
    """

    _name = "directmail.people.result"
    _description = "Contact in a Model"
    _inherit = ["directmail.about.contact"]
    _log_access = False
    _rec_name = "partner_id"
    #: names of the fields with the RFM or AIPL model, and with the group
    _owner_field = None
    _group_field = None

    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, readonly=True, index=True, ondelete="cascade"
    )
    email = fields.Char(related="partner_id.email")
    country_id = fields.Many2one(related="partner_id.country_id")


class DirectmailPeopleSegment(models.AbstractModel):
    """The segments of one group (customer type or stage), written when the model is computed."""

    _name = "directmail.people.segment"
    _description = "Figures of a Group"
    _log_access = False
    #: name of the field with the RFM or AIPL model
    _owner_field = None

    people = fields.Integer(readonly=True)
    share = fields.Float(
        "Share of all",
        compute="_compute_share",
        help="Share of all people in the model.",
        aggregator=None,
    )
    came = fields.Integer(
        "Entered",
        readonly=True,
        help="People who were not in this group on the day before.",
    )
    went = fields.Integer(
        "Left",
        readonly=True,
        help="People who were in this group on the day before and no longer are.",
    )

    def _get_owner(self):
        """Return the RFM or AIPL model."""
        self.ensure_one()
        return self[self._owner_field]

    def _compute_share(self):
        for segment in self:
            everybody = segment._get_owner().people_count
            segment.share = segment.people / everybody if everybody else 0

    def _write_sums(self, people, came, went, sums):
        """Write the figures of the group.

        :param int people: number of people in the group
        :param int came: how many of them were not in the group on the day before
        :param int went: number of people who were in the group on the day before and no longer are
        :param dict sums: {name of a column of `_result_sums`: sum over the people}
        """
        self.write({"people": people, "came": came, "went": went})

    def action_view_people(self):
        """Open the people of this group."""
        self.ensure_one()
        self.check_access("read")
        owner = self._get_owner()
        results = self.env[owner._result_model]
        action = owner._open(owner._result_model)
        action["domain"] += [(results._group_field, "=", self[results._group_field])]
        action["display_name"] = f"{owner.name}: {self.display_name}"
        return action

    def action_new_audience(self):
        """Open a new audience with one line, which selects the people of this group."""
        self.ensure_one()
        self.check_access("read")
        return self._get_owner()._open_new_audience(self.display_name, self._get_line_vals())

    def _get_line_vals(self):
        """Return the values of a `directmail.audience.line` that selects this group."""
        raise NotImplementedError


class DirectmailPeopleHistory(models.AbstractModel):
    """The number of people who went from one group to another on a day.

    People who stayed in their group have a row too. The previous group is empty for people who
    entered the model, the group for people who left it.
    """

    _name = "directmail.people.history"
    _description = "People per Group and Day"
    _log_access = False
    _order = "date desc, id"
    _owner_field = None
    _group_field = None

    date = fields.Date(required=True, readonly=True)
    people = fields.Integer(readonly=True)

    def _write_day(self, owner, day, moves):
        """Replace the rows of a day.

        :param owner: the RFM or AIPL model
        :param date day: the day
        :param moves: `engine.people_models.Move`s of the people in the model
        :return: `Move`s of the people who left the model
        :rtype: list
        """
        mine = Domain(self._owner_field, "=", owner.id)
        self.search(mine & Domain("date", "=", day)).unlink()
        left = self._find_left(mine, day, moves)
        self.create(
            [
                {
                    self._owner_field: owner.id,
                    "date": day,
                    f"previous_{self._group_field}": move.previous,
                    self._group_field: move.group,
                    "people": move.people,
                }
                for move in (*moves, *left)
            ]
        )
        return left

    def _find_left(self, mine, day, moves):
        """Return `Move`s of the people who were in a group on the latest day before, and left.

        The rows of that day give each group's size; people who are not in ``moves`` from that group
        have left the model.

        :param Domain mine: finds the rows of the RFM or AIPL model
        :param day, moves: as in `_write_day`
        """
        sizes = defaultdict(int)
        last = self.search(mine & Domain("date", "<", day), limit=1).date
        for row in self.search(mine & Domain("date", "=", last)) if last else ():
            sizes[row[self._group_field]] += row.people
        for move in moves:
            sizes[move.previous] -= move.people
        return [
            Move(group, None, people) for group, people in sizes.items() if group and people > 0
        ]
