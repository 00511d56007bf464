import base64
import binascii
import io

from odoo import fields, models
from odoo.exceptions import UserError


class DirectmailOptoutImport(models.TransientModel):
    """Import of a CSV file of opt-outs that another installation exported."""

    _name = "directmail.optout.import"
    _description = "Import of Opt-outs"

    file = fields.Binary(attachment=False)
    file_name = fields.Char()
    keep_unmatched = fields.Boolean(
        "Keep opt-outs that can't be matched",
        default=True,
        help="Opt-outs without an address that were saved under another master key. Nobody can be"
        " recognized by them, so everybody who could be meant gets no mail until they are deleted."
        " Untick to leave them out.",
    )
    result = fields.Text(readonly=True)

    def action_import(self):
        """Import the file and write the numbers of its rows to `result`.

        :raise UserError: if the file is not a CSV file of opt-outs
        """
        self.ensure_one()
        # Users who may delete opt-outs may import them. The sudo() below writes opt-outs of the
        # user's own companies only (`company_ids`).
        optouts = self.env["directmail.optout"]
        optouts.check_access("unlink")
        if not self.file:
            raise UserError(self.env._("Choose the file first."))
        try:
            # PostgreSQL can't store NUL characters.
            text = base64.b64decode(self.file).decode("utf-8-sig").replace("\0", "")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UserError(
                self.env._("This file can't be read: it must be a CSV file in UTF-8.")
            ) from error
        counts = optouts.sudo()._import_file(
            io.StringIO(text, newline=""), self.env.user.company_ids, self.keep_unmatched
        )
        self.result = self._explain(counts)
        self.file = False
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Import opt-outs"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
            "target": "new",
        }

    def _explain(self, counts):
        lines = [
            self.env._(
                "%(read)s rows read: %(new)s opt-outs are new.",
                read=counts["read"],
                new=counts["new"],
            )
        ]
        if counts["company"]:
            lines.append(
                self.env._(
                    "%s rows were left out: you have no company with their company's name. Rename"
                    " the company or ask somebody who works in it, then import again.",
                    counts["company"],
                )
            )
        if counts["invalid"]:
            lines.append(
                self.env._(
                    "%s rows were left out: they have no valid address or origin.",
                    counts["invalid"],
                )
            )
        if counts["sender"]:
            lines.append(
                self.env._(
                    "%s opt-outs were for a sender address that does not exist here. They hold for"
                    " the whole company.",
                    counts["sender"],
                )
            )
        if counts["unmatched"] and self.keep_unmatched:
            lines.append(
                self.env._(
                    "%s opt-outs can't be matched: they have no address and belong to another"
                    " master key. Until you delete them, everybody who could be meant gets no"
                    " mail.",
                    counts["unmatched"],
                )
            )
        elif counts["unmatched"]:
            lines.append(
                self.env._(
                    "%s rows were left out: they have no address and belong to another master key.",
                    counts["unmatched"],
                )
            )
        return "\n".join(lines)
