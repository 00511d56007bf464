from odoo import models
from odoo.exceptions import ValidationError
from odoo.tools import formatLang

from odoo.addons.base.models.res_partner import _tz_get

from ...lists.identifiers import safe_cell

#: The numbers that a column of PostgreSQL's type `int4` holds.
NUMBERS = range(-(2**31), 2**31)


class Base(models.AbstractModel):
    """What all models of this addon have in common.

    Numbers and time zones that can't be stored or used are refused with a sentence, and exports
    contain no cells that a spreadsheet runs as a formula.
    """

    _inherit = "base"

    # === VALUES === #

    def _prepare_create_values(self, vals_list):
        """Override: check the values of this addon's fields, defaults of the context included."""
        vals_list = super()._prepare_create_values(vals_list)
        for vals in vals_list:
            self._check_directmail_values(vals)
        return vals_list

    def write(self, vals):
        """Override: check the values of this addon's fields, before PostgreSQL refuses them."""
        self._check_directmail_values(vals)
        return super().write(vals)

    def _check_directmail_values(self, vals):
        """Refuse integers that no column holds, and time zones that do not exist.

        Odoo checks neither: PostgreSQL reports an error for the number, and the time zone is stored
        and fails where it is used.

        :param dict vals: {name of a field: value}
        :raise ValidationError: with what to enter instead
        """
        is_ours = self._name.startswith("directmail.")
        for name, value in vals.items():
            if not (is_ours or name.startswith("directmail_")) or not value:
                continue
            field = self._fields.get(name)
            if field is None:
                continue
            if field.type == "integer" and not isinstance(value, dict) and not _is_number(value):
                raise ValidationError(
                    self.env._(
                        "“%(field)s” must be a whole number between %(least)s and %(most)s. Enter"
                        " another number.",
                        field=field._description_string(self.env),
                        least=formatLang(self.env, NUMBERS[0], digits=0),
                        most=formatLang(self.env, NUMBERS[-1], digits=0),
                    )
                )
            if getattr(field, "selection", None) is _tz_get and value not in dict(_tz_get(self)):
                raise ValidationError(
                    self.env._(
                        "The time zone “%(zone)s” of “%(field)s” is not known. Choose one from the"
                        " list.",
                        zone=value,
                        field=field._description_string(self.env),
                    )
                )

    # === EXPORT === #

    def export_data(self, fields_to_export):
        """Override: mark cells of our models that spreadsheets would take for a formula.

        Recipients can write into some fields, such as a reason for unsubscribing. Odoo marks
        formulas in CSV files only, and not all of them.
        """
        result = super().export_data(fields_to_export)
        if self._name.startswith("directmail."):
            result["datas"] = [
                [safe_cell(cell) if isinstance(cell, str) else cell for cell in row]
                for row in result["datas"]
            ]
        return result


def _is_number(value):
    """Return whether a value that a client sent is stored as an integer."""
    try:
        return int(value) in NUMBERS
    except (OverflowError, TypeError, ValueError):
        return False
