import logging

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ...engine.technical import is_technical
from ...groups import GROUP_USER

_logger = logging.getLogger(__name__)
KIND = "directmail_series"


class IrActionsServer(models.Model):
    """Server actions, and so automation rules, that put contacts into a series."""

    _inherit = "ir.actions.server"

    state = fields.Selection(
        selection_add=[(KIND, "Put Into Series"), ("followers",)],
        ondelete={KIND: "cascade"},
    )
    directmail_series_id = fields.Many2one(
        "directmail.series",
        "Email series",
        index="btree_not_null",
        ondelete="set null",
        domain="[('state', '!=', 'ended')]",
        groups=GROUP_USER,
        prefetch=False,
        help="The contact of each record enters this series. It must have been started. Its setting"
        " “Enter again” decides about contacts who have been in it before.",
    )

    def _name_depends(self):
        return [*super()._name_depends(), "directmail_series_id"]

    def _generate_action_name(self):
        self.ensure_one()
        # sudo(): the name of the series, which who chose it may read.
        if self.state == KIND and (series := self.sudo().directmail_series_id):
            return self.env._("Put into series %s", series.name)
        return super()._generate_action_name()

    @api.constrains("state", "model_id", "directmail_series_id")
    def _check_directmail_series(self):
        for action in self.filtered(lambda action: action.state == KIND):
            if is_technical(action.model_id.model):
                raise ValidationError(
                    self.env._(
                        "Records of %s can't put people into a series, because a series changes"
                        " them itself: the series could start itself again and again. Choose"
                        " contacts, or records with a contact.",
                        action.model_id.display_name,
                    )
                )
            # sudo() finds the series. Constraints run as superuser: the right to put people into
            # it is checked for the user.
            series = action.sudo().directmail_series_id.with_user(self.env.user)
            if series and not series.has_access("write"):
                raise ValidationError(
                    self.env._(
                        "Only the owner of a series and administrators of Email Marketing with"
                        " DirectMail can let an action put people into it."
                    )
                )

    @api.model
    def _warning_depends(self):
        return [*super()._warning_depends(), "directmail_series_id"]

    def _get_warning_messages(self):
        self.ensure_one()
        warnings = super()._get_warning_messages()
        if self.state == KIND:
            # sudo(): whether a series is chosen.
            if not self.sudo().directmail_series_id:
                warnings.append(self.env._("Choose the series."))
            if self.model_id and not self._has_directmail_contacts():
                warnings.append(
                    self.env._(
                        "%s have no contact. Choose contacts, or records with a contact.",
                        self.model_id.display_name,
                    )
                )
        return warnings

    def _has_directmail_contacts(self):
        name = self.model_id.model
        if name not in self.env or is_technical(name):
            return False
        field = self.env[name]._fields.get("partner_id")
        is_contact = field and field.type == "many2one" and field.comodel_name == "res.partner"
        return name == "res.partner" or bool(is_contact)

    def _run_action_directmail_series_multi(self, eval_context=None):
        """Put the contacts of the records into the series.

        The user who chose the series may put people into it (`_check_directmail_series`).
        A user who runs the action must be able to read the contacts. An automation rule runs as
        superuser, for example for a visitor who may not read their own contact; in both cases only
        contacts enter whom the owner of the series may read (`select_requested`).

        A series that lets nobody enter is no error, which would undo the order, say.
        """
        records = eval_context.get("records") or eval_context.get("record")
        # sudo(): see above.
        series = self.sudo().directmail_series_id
        if not records or not series or not self._has_directmail_contacts():
            return False
        contacts = records if records._name == "res.partner" else records.partner_id
        # Automation rules on changes of a form have records that are not saved.
        contacts = contacts.filtered(lambda contact: isinstance(contact.id, int))
        if contacts := contacts._filtered_access("read"):
            try:
                series._put(contacts)
            except UserError as error:
                _logger.info("Nobody is put into the series %s: %s", series.id, error)
        return False
