from odoo import fields, models
from odoo.tools import SQL


class DirectmailOptout(models.Model):
    """A person's wish to get no more mail, kept by address key, so that it outlives contacts."""

    _name = "directmail.optout"
    _description = "Opt-out"
    _order = "create_date desc, id desc"
    _rec_name = "email"

    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    address_key = fields.Char(required=True, readonly=True, groups=fields.NO_ACCESS)
    email = fields.Char("Address", readonly=True)
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null", ondelete="set null"
    )
    sender_id = fields.Many2one(
        "directmail.sender",
        "Sender address",
        readonly=True,
        ondelete="cascade",
        help="Empty: no mail of this company at all.",
    )
    origin = fields.Selection(
        [("one_click", "Mail program's button"), ("page", "Unsubscribe page")],
        required=True,
        readonly=True,
    )
    task_id = fields.Many2one("directmail.task", "Email task", readonly=True, ondelete="set null")

    _address_unique = models.UniqueIndex(
        "(company_id, address_key, COALESCE(sender_id, 0))",
        "This address has unsubscribed already.",
    )

    def _record(self, delivery, origin):
        """Remember that the person behind a delivery wants no more mail from its company.

        Asking twice changes nothing.

        :param delivery: a `directmail.delivery` record
        :param str origin: a value of the field `origin`
        """
        self.flush_model()
        self.env.execute_query(
            SQL(
                """INSERT INTO directmail_optout (company_id, address_key, email, partner_id,
                        origin, task_id, create_uid, create_date, write_uid, write_date)
                   SELECT company_id, address_key, email, partner_id, %(origin)s, task_id,
                          %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
                     FROM directmail_delivery
                    WHERE id = %(delivery)s AND address_key IS NOT NULL
                       ON CONFLICT DO NOTHING
                RETURNING id""",
                origin=origin,
                uid=self.env.uid,
                delivery=delivery.id,
            )
        )
