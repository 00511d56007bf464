from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import format_list


class DirectmailGuarded(models.AbstractModel):
    """Guard fields that only the addon's own code may write, as superuser (`_guarded_fields`).

    A field that is readonly in a view or in Python can still be written by RPC. For these fields,
    that could mark an unreviewed text as approved, or send mails twice.
    """

    _name = "directmail.guarded"
    _description = "Fields Written by DirectMail Marketing Only"

    _guarded_fields = frozenset()

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_guarded(vals)
        self._check_guarded(
            key.removeprefix("default_") for key in self.env.context if key.startswith("default_")
        )
        return super().create(vals_list)

    def write(self, vals):
        self._check_guarded(vals)
        return super().write(vals)

    @classmethod
    def _get_guarded_fields(cls):
        """Return the union of `_guarded_fields` of all classes that make up the model."""
        return frozenset().union(*(vars(base).get("_guarded_fields", ()) for base in cls.mro()))

    def _check_guarded(self, names):
        """Refuse guarded fields, except to the superuser.

        :param names: names of the fields to be written; others are ignored
        :raise AccessError: naming the guarded fields
        """
        guarded = self._get_guarded_fields().intersection(names)
        if guarded and not self.env.su:
            # sudo() reads the label of the model, for the message.
            raise AccessError(
                self.env._(
                    "%(fields)s of %(model)s can't be set directly. Use the buttons instead.",
                    fields=format_list(
                        self.env,
                        [
                            self._fields[name]._description_string(self.env)
                            for name in sorted(guarded)
                        ],
                    ),
                    model=self.env["ir.model"]._get(self._name).sudo().name,
                )
            )
