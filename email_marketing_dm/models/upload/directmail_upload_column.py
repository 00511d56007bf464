from odoo import api, fields, models

from ...content.expressions import COLUMN_PREFIX
from ...lists.columns import NOTHING, PLACEHOLDER, read_value
from .contact_choices import ContactChoices
from .directmail_upload_line import PROBLEM_MAX

USES = [
    (NOTHING, "Not used"),
    (PLACEHOLDER, "Placeholder in emails"),
    ("name", "Contact: name"),
    ("first_name", "Contact: first name"),
    ("last_name", "Contact: last name"),
    ("company", "Contact: company"),
    ("function", "Contact: job position"),
    ("phone", "Contact: phone"),
    ("street", "Contact: street"),
    ("zip", "Contact: ZIP"),
    ("city", "Contact: city"),
    ("country", "Contact: country"),
    ("language", "Contact: language"),
    ("website", "Contact: website"),
    ("tags", "Contact: tags"),
]
EXAMPLES = 3  # cells that are shown
OFFERED_MAX = 200  # columns that are read for the placeholder picker


class DirectmailUploadColumn(models.Model):
    """A column of an uploaded list, and what it is used for.

    Only `use` can be changed by users. The rest is read from the list.
    """

    _name = "directmail.upload.column"
    _description = "Column of an Upload"
    _inherit = ["directmail.guarded", "directmail.of.company"]
    _company_path = "upload_id.company_id"
    _log_access = False
    _order = "number"
    _guarded_fields = frozenset(("key", "name", "number", "samples", "upload_id"))

    upload_id = fields.Many2one(
        "directmail.upload", required=True, readonly=True, index=True, ondelete="cascade"
    )
    number = fields.Integer(required=True, readonly=True)
    name = fields.Char("Column", required=True, readonly=True)
    # Placeholders name columns by it: `directmail_upload.<key>`.
    key = fields.Char(readonly=True)
    # Some cells of the first rows that are not empty.
    samples = fields.Json(readonly=True)
    use = fields.Selection(
        USES,
        "Use as",
        required=True,
        default=NOTHING,
        help="Placeholders show the value of each person's row in emails. Values for contacts are"
        " written to the contacts that are found or created; in emails to addresses without a"
        " contact, they fill the placeholders of these fields.",
    )
    is_id = fields.Boolean("Holds the IDs", compute="_compute_is_id")
    example = fields.Char("Examples", compute="_compute_example")
    problem = fields.Char("Problem in the first rows", compute="_compute_problem")

    @api.depends("upload_id.column_id")
    def _compute_is_id(self):
        for column in self:
            column.is_id = column._origin == column.upload_id.column_id._origin

    @api.depends("samples")
    def _compute_example(self):
        for column in self:
            column.example = " · ".join(dict.fromkeys((column.samples or [])[:EXAMPLES]))

    @api.depends("samples", "use", "upload_id.column_id", "upload_id.id_kind")
    def _compute_problem(self):
        choices = ContactChoices(self.env)
        for column in self:
            is_used = column.use != NOTHING and not column.is_id
            column.problem = is_used and column._find_problem(choices)

    def _find_problem(self, choices):
        """Return the explanation of the first sample that can't be used; False if all can."""
        is_secret = self.upload_id.id_kind == "encrypted"
        for value in filter(None, map(read_value, self.samples or [])):
            if flaw := choices.find_flaw(self.use, value, is_secret):
                problem = {"column": self.name, "value": value[:PROBLEM_MAX], "flaw": flaw}
                return self.env["directmail.upload.line"]._explain_problem(problem)
        return False

    def write(self, vals):
        if not self.env.su:
            self.upload_id.check_access("write")
            self.upload_id._check_draft()
        res = super().write(vals)
        self.upload_id._wait_for_owner()
        return res

    @api.model
    @api.readonly
    def get_placeholders(self):
        """Return the columns of the user's lists that templates can show, the newest first.

        :return: [{"path": path of a placeholder, "label": for the user}], each path once
        :rtype: list[dict]
        """
        kept = [("use", "=", PLACEHOLDER), ("upload_id.state", "in", ("running", "done"))]
        columns = self.search(kept, order="upload_id desc, number", limit=OFFERED_MAX)
        names = {}
        for column in columns.filtered(lambda column: column.key and not column.is_id):
            names.setdefault(column.key, column.name)
        return [
            {"path": COLUMN_PREFIX + key, "label": self.env._("%s (uploaded list)", name)}
            for key, name in names.items()
        ]

    @api.model
    def _find_unknown(self, keys):
        """Return those keys that no list of the user has as a placeholder."""
        kept = [("key", "in", list(keys)), ("use", "=", PLACEHOLDER)]
        known = set(self.search(kept).mapped("key"))
        return [key for key in keys if key not in known]

    @api.model
    def _describe_key(self, key):
        """Return what the placeholder picker calls a column: its title in the newest list."""
        column = self.search([("key", "=", key)], order="upload_id desc", limit=1)
        return self.env._("%s (uploaded list)", column.name or key)
