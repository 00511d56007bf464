from odoo import fields, models
from odoo.fields import Domain


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

        The rows of the latest day before give each group's size then; who is not in ``moves`` from
        that group has left the model.

        :param owner: the RFM or AIPL model
        :param date day: the day
        :param moves: (group on the day before, group, people, …) tuples
        :return: {group on the day before: number of people who left the model}
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
