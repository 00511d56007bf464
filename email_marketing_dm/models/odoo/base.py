from odoo import models

from ...lists.identifiers import safe_cell


class Base(models.AbstractModel):
    """Exports of this addon's models contain no cells that a spreadsheet runs as a formula."""

    _inherit = "base"

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
