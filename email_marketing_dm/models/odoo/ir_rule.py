from odoo import models


class IrRule(models.Model):
    _inherit = "ir.rule"

    def _make_access_error(self, operation, records):
        """Override: don't name records of this addon.

        In debug mode, which every user may switch on, Odoo reads the names of the refused records
        with all rights. So a colleague's private audience, and the people in it, were told to all
        who asked for their ids.
        """
        error = super()._make_access_error(operation, records)
        if not records._name.startswith("directmail."):
            return error
        [text, *rest] = error.args
        # sudo(): as Odoo reads the names, to find them in its message.
        for record in records[:6].sudo():
            number = f"({records._name}: {record.id}"
            text = text.replace(f", {record.display_name} {number}", f" {number}")
        records.invalidate_recordset()
        error.args = (text, *rest)
        return error
