import json

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Command

from .traits import TRAIT_OF

#: {part of two audiences: operators and sides of the lines that select it}
PARTS = {
    "only_a": (("or", "a"), ("except", "b")),
    "both": (("or", "a"), ("and", "b")),
    "only_b": (("or", "b"), ("except", "a")),
}


class DirectmailAudience(models.Model):
    """Buttons of the composition of an audience: list its people, or select them in a new audience.

    `directmail_audience_composition.py` has the figures.
    """

    _inherit = "directmail.audience"

    def action_view_composition(self):
        """Open the page with the composition of the audience."""
        self.ensure_one()
        self.check_access("read")
        return self._open_composition()

    def _open_composition(self, snapshot=None):
        """Return the action that opens the page, for one of the audience's snapshots or for it."""
        page = self.env["directmail.audience.comparison"].create(
            {"audience_id": self.id, "snapshot_id": snapshot and snapshot.id}
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Composition"),
            "res_model": page._name,
            "res_id": page.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_view_trait(self, trait, value, snapshot=False):
        """Open the people of the audience with a value of a trait.

        :param str trait: name of the trait
        :param value: as in `get_composition`
        :param snapshot: as in `get_composition`
        """
        side = self._get_side(snapshot)
        label = self._get_trait_label(trait, value)
        wanted = json.dumps([self.id, snapshot, trait, value])
        return side._get_people_action(label, [("trait", "=", wanted)])

    def action_new_audience_of_trait(self, trait, value, snapshot=False):
        """Open a new audience: the people of this one with a value of a trait.

        :param trait, value, snapshot: as in `action_view_trait`
        :raise UserError: if no line can select them
        """
        side = self._get_side(snapshot)
        label = self._get_trait_label(trait, value)
        env = self._get_company_env(self.env)
        lines = TRAIT_OF[trait].make_lines(env, self._read_value(trait, value))
        if not lines:
            raise UserError(self.env._("There is no line that selects these people."))
        name = self.env._("%(audience)s: %(value)s", audience=side.display_name, value=label)
        return self._open_new(name, [side._make_source_line(), *lines])

    def action_new_audience_of_part(self, other, part, snapshot=False, other_snapshot=False):
        """Open a new audience: the people only in this one, in both, or only in another.

        :param int other: id of the other audience
        :param str part: a key of `PARTS`
        :param snapshot, other_snapshot: as in `get_differences`
        """
        first, second = self._get_side(snapshot), self._get_other(other, other_snapshot)
        if part not in PARTS or not second:
            raise UserError(self.env._("Choose an audience to compare with."))
        names = {"first": first.display_name, "second": second.display_name}
        name = {
            "only_a": self.env._("%(first)s without %(second)s", **names),
            "both": self.env._("%(first)s and %(second)s", **names),
            "only_b": self.env._("%(second)s without %(first)s", **names),
        }[part]
        sides = {"a": first, "b": second}
        lines = [
            {**sides[side]._make_source_line(), "operator": operator}
            for operator, side in PARTS[part]
        ]
        return self._open_new(name, lines)

    def _make_source_line(self):
        """Return values of a line that selects the people of this audience."""
        return {"operator": "or", "kind": "audience", "source_id": self.id}

    def _open_new(self, name, lines):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_action_new"
        )
        commands = [
            Command.create({**line, "sequence": number}) for number, line in enumerate(lines)
        ]
        return {
            **action,
            "views": [(False, "form")],
            "context": {
                "default_name": name,
                "default_company_id": self.company_id.id,
                "default_line_ids": commands,
            },
        }

    def _get_trait_label(self, trait, value):
        """Return "Country: Germany", after checking that there is such a trait.

        :raise UserError: for an unknown trait or value
        """
        if trait not in TRAIT_OF:
            raise UserError(self.env._("There is no property %s.", trait))
        found = self._read_value(trait, value)
        env = self._get_company_env(self.env)
        labels = TRAIT_OF[trait].label_values(env, [found])
        if found not in labels:
            raise UserError(self.env._("Nobody has this value any more. Open the page again."))
        return f"{TRAIT_OF[trait].get_label(env)}: {labels[found]}"
