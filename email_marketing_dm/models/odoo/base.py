from odoo import models

from ...lists.identifiers import safe_cell


class Base(models.AbstractModel):
    _inherit = "base"

    def export_data(self, fields_to_export):
        """Override: no cell of our models is taken for a formula by who opens the file.

        Anybody who got a mail may write into some of them, such as a reason for unsubscribing. Odoo
        marks formulas in CSV files only, and not all of them.
        """
        result = super().export_data(fields_to_export)
        if self._name.startswith("directmail."):
            result["datas"] = [
                [safe_cell(cell) if isinstance(cell, str) else cell for cell in row]
                for row in result["datas"]
            ]
        return result
