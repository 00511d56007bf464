from odoo import fields, models
from odoo.fields import Domain


class DirectmailPeopleHistory(models.AbstractModel):
    """How many people went from one group to another on a day; from nowhere, or to nowhere, too."""

    _name = "directmail.people.history"
    _description = "People per Group and Day"
    _log_access = False
    _order = "date desc, id"
    _owner_field = None
    _group_field = None

    date = fields.Date(required=True, readonly=True)
    people = fields.Integer(readonly=True)

    def _write_day(self, owner, day, moves):
        """Replace a day's rows.

        Who left is worked out from the day before, so that its people are those who stayed, moved
        and left.

        :param owner: the model
        :param moves: (group on the day before, group, people, …) tuples
        :return: {group on the day before: how many of it left}
        """
        mine = Domain(self._owner_field, "=", owner.id)
        self.search(mine & Domain("date", "=", day)).unlink()
        left = {}
        last = self.search(mine & Domain("date", "<", day), limit=1).date
        for row in self.search(mine & Domain("date", "=", last)) if last else ():
            if group := row[self._group_field]:
                left[group] = left.get(group, 0) + row.people
        for was, _group, people, *_sums in moves:
            if was in left:
                left[was] -= people
        left = {group: people for group, people in left.items() if people > 0}
        self.create(
            [
                {
                    self._owner_field: owner.id,
                    "date": day,
                    f"previous_{self._group_field}": was,
                    self._group_field: group,
                    "people": people,
                }
                for was, group, people, *_sums in [
                    *moves,
                    *((group, False, number) for group, number in left.items()),
                ]
            ]
        )
        return left
