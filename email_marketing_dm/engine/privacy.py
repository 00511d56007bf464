"""Export or erase the data that the app stores about a few people."""

from odoo.tools import SQL

from ..privacy.address import normalise

PERSON = "directmail.person"
DELIVERY = "directmail.delivery"
# Results per contact, which RFM and AIPL models compute again from Odoo's records.
SCORES = ("directmail.rfm.customer", "directmail.aipl.contact")
# Fields that lead to the record with the company, in models without a stored company_id.
PARENTS = ("audience_id", "upload_id", "rfm_model_id", "aipl_model_id")
UNDER_WAY = ("waiting", "sending")


class People:
    """A few contacts, and the rows stored for them or for their addresses.

    :param partners: `res.partner` records that the user may read
    :param companies: `res.company` records; only rows of these are exported or erased
    """

    def __init__(self, partners, companies):
        self.env = partners.env
        self.partners = partners.sudo()
        self.companies = companies
        master_key = self.env["directmail.keyring"]._get_master_key()
        emails = filter(None, map(normalise, self.partners.mapped("email_normalized")))
        self.keys = {master_key.address_key(email) for email in emails}
        self.keys |= set(filter(None, self.partners.mapped("email_encrypted_key")))

    def condition(self):
        """Return SQL of the condition on their rows in a table with the columns of a person."""
        return SQL(
            "(partner_id IN %s OR address_key IN %s)",
            tuple(self.partners.ids) or (0,),
            tuple(self.keys) or ("",),
        )

    def deliveries(self):
        """Return their deliveries, `directmail.delivery` with all rights."""
        rows = self.env.execute_query(
            SQL(
                "SELECT id FROM directmail_delivery WHERE %s AND company_id IN %s ORDER BY id",
                self.condition(),
                tuple(self.companies.ids) or (0,),
            )
        )
        return self.env[DELIVERY].sudo().browse(row[0] for row in rows)

    def optouts(self):
        """Return their opt-outs, `directmail.optout` with all rights."""
        rows = self.env.execute_query(
            SQL(
                "SELECT id FROM directmail_optout WHERE %s AND company_id IN %s ORDER BY id",
                self.condition(),
                tuple(self.companies.ids) or (0,),
            )
        )
        return self.env["directmail.optout"].sudo().browse(row[0] for row in rows)

    def members(self):
        """Return {model: number of their rows} of the models from `_member_models`."""
        return {
            name: self.env.execute_query(
                SQL(
                    "SELECT count(*) FROM %s WHERE %s AND %s",
                    SQL.identifier(self.env[name]._table),
                    self.condition(),
                    self._here(name),
                )
            )[0][0]
            for name in self._member_models()
        }

    def under_way(self):
        """Return the `directmail.task` records with a *waiting* or *sending* mail to them."""
        return self.deliveries().filtered(lambda delivery: delivery.state in UNDER_WAY).task_id

    def export(self):
        """Return the stored data as a dict of JSON types; moments are in UTC."""
        return {
            "people": [
                {"name": partner.display_name, "email": partner.email or ""}
                for partner in self.partners
            ],
            "mails": [self._export_delivery(delivery) for delivery in self.deliveries()],
            "opt_outs": [
                {
                    "since": str(optout.create_date),
                    "sender": optout.sender_id.email or "",
                    "origin": optout.origin,
                    "reason": optout.reason_id.name or "",
                    "feedback": optout.feedback or "",
                }
                for optout in self.optouts()
            ],
            "audiences": sorted(
                set(
                    self.env["directmail.audience.member"]
                    .sudo()
                    .search([("partner_id", "in", self.partners.ids)])
                    .audience_id.filtered(lambda a: a.company_id in self.companies)
                    .mapped("name")
                )
            ),
        }

    def _export_delivery(self, delivery):
        moments = (
            "sent_at", "outcome_at", "opened_at", "clicked_at", "unsubscribed_at",
            "complained_at", "converted_at",
        )  # fmt: skip
        return {
            "email_task": delivery.task_id.name,
            "subject": delivery.task_id.template_id.subject or "",
            "state": delivery.state,
            "reason": delivery.reason or "",
            "outcome": delivery.outcome or "",
            **{name: str(delivery[name]) if delivery[name] else "" for name in moments},
            "what_happened": [
                {
                    "what": event.kind,
                    "when": str(event.occurred_at),
                    "by_a_machine": event.machine,
                    "link": event.link_id.url or "",
                }
                for event in delivery.event_ids
            ],
        }

    def forget(self):
        """Erase these people from the stored rows; the tasks' counters stay.

        Deliveries and events lose the person, address and messages; members, upload lines, scores
        and stages are deleted. Opt-outs lose the person and the address but keep the address key,
        because without it the people would be mailed again.
        """
        # Apply pending events first: they find their delivery by the address key that is erased.
        for company in self.companies:
            self.env["directmail.event"]._apply_all(company)
        self.env.flush_all()
        numbers = tuple(self.deliveries().ids) or (0,)
        for statement in (
            SQL(
                """UPDATE directmail_delivery
                      SET partner_id = NULL, res_model = NULL, res_id = NULL, email = NULL,
                          email_encrypted = NULL, address_key = NULL, message = NULL,
                          envelope = NULL
                    WHERE id IN %s RETURNING id""",
                numbers,
            ),
            SQL(
                """UPDATE directmail_event SET address_key = NULL, message = NULL
                    WHERE delivery_id IN %s OR address_key IN %s AND company_id IN %s
                RETURNING id""",
                numbers,
                tuple(self.keys) or ("",),
                tuple(self.companies.ids) or (0,),
            ),
            SQL(
                """UPDATE directmail_optout SET partner_id = NULL, email = NULL,
                          email_encrypted = NULL, feedback = NULL
                    WHERE id IN %s RETURNING id""",
                tuple(self.optouts().ids) or (0,),
            ),
            *(
                SQL(
                    "DELETE FROM %s WHERE %s AND %s RETURNING id",
                    SQL.identifier(self.env[name]._table),
                    self.condition(),
                    self._here(name),
                )
                for name in self._member_models()
            ),
            *(
                SQL(
                    "DELETE FROM %s WHERE partner_id IN %s AND %s RETURNING id",
                    SQL.identifier(self.env[name]._table),
                    tuple(self.partners.ids) or (0,),
                    self._here(name),
                )
                for name in SCORES
            ),
        ):
            self.env.execute_query(statement)
        self.env.invalidate_all()

    def _here(self, name):
        """Return SQL of the condition that a row of a model belongs to one of the companies.

        Rows of other companies are not touched, even if the companies share the contacts.
        """
        companies = tuple(self.companies.ids) or (0,)
        fields = self.env[name]._fields
        if "company_id" in fields and fields["company_id"].store:
            return SQL("company_id IN %s", companies)
        parent = next(field for field in map(fields.get, PARENTS) if field)
        return SQL(
            "%s IN (SELECT id FROM %s WHERE company_id IN %s)",
            SQL.identifier(parent.name),
            SQL.identifier(self.env[parent.comodel_name]._table),
            companies,
        )

    def _member_models(self):
        """Return the names of the models that inherit `directmail.person`, except deliveries."""
        return sorted(
            name
            for name in self.env.registry.descendants([PERSON], "_inherit")
            if name != DELIVERY and not self.env[name]._abstract
        )
