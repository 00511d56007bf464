import base64
import binascii
import io

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import formatLang


class DirectmailOptoutImport(models.TransientModel):
    """Import of a CSV file of opt-outs that another installation exported."""

    _name = "directmail.optout.import"
    _description = "Import Opt-outs"

    file = fields.Binary(attachment=False)
    file_name = fields.Char()
    keep_unmatched = fields.Boolean(
        "Keep opt-outs that can't be matched",
        default=True,
        help="These opt-outs have no address and were saved with another master key, so the people"
        " can't be recognized. All people they could belong to get no mail until the opt-outs are"
        " deleted. Clear this to leave them out.",
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
                self.env._("This file can't be read. Choose a CSV file in UTF-8.")
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
        counts = {
            name: formatLang(self.env, count, digits=0) for name, count in counts.items() if count
        }
        lines = [
            self.env._(
                "Rows read: %(read)s. New opt-outs: %(new)s.",
                read=counts.get("read", 0),
                new=counts.get("new", 0),
            )
        ]
        if count := counts.get("company"):
            lines.append(
                self.env._(
                    "Rows left out because you have no company with the name in the file: %s."
                    " Rename the company, or ask someone who works in it to import the file.",
                    count,
                )
            )
        if count := counts.get("invalid"):
            lines.append(
                self.env._("Rows left out because they have no valid address or origin: %s.", count)
            )
        if count := counts.get("sender"):
            lines.append(
                self.env._(
                    "Opt-outs for a sender address that does not exist here: %s. They apply to the"
                    " whole company.",
                    count,
                )
            )
        count = counts.get("unmatched")
        if count and self.keep_unmatched:
            lines.append(
                self.env._(
                    "Opt-outs that can't be matched, because they have no address and belong to"
                    " another master key: %s. Until you delete them, all people they could belong"
                    " to get no mail.",
                    count,
                )
            )
        elif count:
            lines.append(
                self.env._(
                    "Rows left out because they have no address and belong to another master key:"
                    " %s.",
                    count,
                )
            )
        return "\n".join(lines)
