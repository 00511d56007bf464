from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ...engine.technical import check_told

#: text fields of contacts that have a kind of ID of their own, or that identify nobody
OTHER_KINDS = frozenset(
    (
        "complete_name",
        "display_name",
        "email",
        "email_normalized",
        "name",
        "phone",
        "phone_sanitized",
        "ref",
    )
)


class DirectmailUpload(models.Model):
    """The type of ID `field`: IDs that stand in a text field of contacts.

    A value that several contacts have identifies none of them: its rows are not matched.
    """

    _inherit = "directmail.upload"

    match_field = fields.Selection(
        "_selection_match_field",
        "Field of contacts",
        help="The field that holds these IDs, such as a membership number. IDs that several"
        " contacts have are not matched.",
    )

    @api.model
    def _selection_match_field(self):
        """Return the stored text fields of contacts that the user may read, by label."""
        partners = self.env["res.partner"]
        found = [
            (name, field._description_string(self.env))
            for name, field in partners._fields.items()
            if self._is_match_field(partners, field)
        ]
        labels = [label for _name, label in found]
        named = [
            # Two fields with the same label are told apart by their names.
            (name, f"{label} ({name})" if labels.count(label) > 1 else label)
            for name, label in found
        ]
        return sorted(named, key=lambda choice: choice[1].casefold())

    @api.model
    def _is_match_field(self, partners, field):
        """Tell whether the user of ``partners`` may match IDs with a field of contacts."""
        if field.type != "char" or not field.store or not field.column_type:
            return False
        if field.translate or field.company_dependent:
            return False
        if field.name in OTHER_KINDS or field.name.startswith(("directmail_", "email_encrypted")):
            return False
        try:
            check_told(partners, field)
        except ValueError:
            return False
        return partners._has_field_access(field, "read")

    def _check_match_field(self, env=None):
        """Check that the IDs can be matched with the chosen field.

        :param env: whose user's rights count; by default the current user's
        :raise UserError: if no field is chosen, or the field is gone or can't be used
        :raise AccessError: if the user may not read the field
        """
        self.ensure_one()
        for ids in (self, *self.key_ids):
            if ids.id_kind == "field":
                self._check_field(ids.match_field, (env or self.env)["res.partner"])

    def _check_field(self, name, partners):
        """Check that the user of ``partners`` can match IDs with the field ``name``.

        :raise UserError, AccessError: as `_check_match_field`
        """
        if not name:
            raise UserError(self.env._("Choose the field of contacts that holds the IDs."))
        field = partners._fields.get(name)
        # sudo(): whether anybody could use the field; the user's own rights are checked below.
        if not field or not self._is_match_field(partners.sudo(), field):
            raise UserError(
                self.env._(
                    "The field %s of contacts can't be used any more. Choose another one.",
                    name,
                )
            )
        if not self._is_match_field(partners, field):
            raise AccessError(
                self.env._(
                    "The owner of the list may not read the field %s of contacts. Choose another"
                    " field.",
                    field._description_string(self.env),
                )
            )
