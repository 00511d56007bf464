from odoo import fields, models


class DirectmailTestRecipients(models.AbstractModel):
    """Dialogs that send test mails: to whom, and whose values their placeholders show."""

    _name = "directmail.test.recipients"
    _description = "Recipients of Test Mails"

    user_ids = fields.Many2many(
        "res.users",
        string="Colleagues",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
        default=lambda self: self.env.user,
        help="Users of this company whose email address has a domain that an administrator"
        " allows for tests.",
    )
    # Shows archived addresses, so that `directmail.template.test` reports them.
    seed_ids = fields.Many2many(
        "directmail.seed.address",
        string="Seed addresses",
        domain="[('company_id', '=', company_id), ('active', '=', True)]",
        context={"active_test": False},
        help="Mailboxes at Gmail, Outlook and other providers that an administrator keeps for"
        " tests.",
    )
    partner_id = fields.Many2one(
        "res.partner",
        "Placeholder values from",
        default=lambda self: self.env.user.partner_id,
        help="The contact whose name and other values the placeholders show. If it is empty, they"
        " show their default values.",
    )
