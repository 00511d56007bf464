from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

from odoo.tests import TransactionCase
from odoo.tools import SQL

from .common import make_user

GROUP_ADMIN = "email_marketing_dm.group_admin"
GROUP_USER = "email_marketing_dm.group_user"
ALL_LEADS = "sales_team.group_sale_salesman_all_leads"


class ModelsCommon(TransactionCase):
    """Leads stand for purchases: they have a contact, a date and an amount."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = make_user(cls.env, "dm_owner", f"{GROUP_ADMIN},{ALL_LEADS}")
        cls.user = make_user(cls.env, "dm_user", GROUP_USER)
        cls.people = cls.env["res.partner"].create([{"name": f"Person {n}"} for n in range(6)])
        cls.table = cls._make_table("date_closed")
        cls.table_of_days = cls._make_table("date_deadline")

    @classmethod
    def _make_table(cls, date_field, **vals):
        return cls.env["directmail.data.table"].create(
            {
                "name": f"Purchases by {date_field}",
                "model_id": cls.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
                "date_field": date_field,
                "amount_field": "expected_revenue",
                "domain": "[('name', '=like', 'Purchase%')]",
                **vals,
            }
        )

    @classmethod
    def _make_rfm(cls, **vals):
        return (
            cls.env["directmail.rfm.model"]
            .with_user(cls.owner)
            .create({"name": "Customers", "data_table_id": cls.table.id, **vals})
        )

    @classmethod
    def _make_aipl(cls, *conditions, **vals):
        commands = [(0, 0, {"data_table_id": cls.table.id, **c}) for c in conditions]
        return (
            cls.env["directmail.aipl.model"]
            .with_user(cls.owner)
            .create({"name": "Stages", "condition_ids": commands, **vals})
        )

    @classmethod
    def _add_purchases(cls, purchases, tz="UTC"):
        """Write purchases past the ORM, which would take longer than what is tested.

        :param purchases: (contact id or None, moment in UTC, amount, name) tuples
        :param tz: whose calendar says what day a moment is on
        """
        for partner_id, moment, amount, name in purchases:
            day = moment and moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(tz)).date()
            cls.env.cr.execute(
                SQL(
                    """INSERT INTO crm_lead (company_id, name, type, active, partner_id,
                                             date_closed, date_deadline, expected_revenue)
                       VALUES (%s, %s, 'opportunity', true, %s, %s, %s, %s)""",
                    cls.env.company.id,
                    name,
                    partner_id,
                    moment,
                    day,
                    amount,
                )
            )
        cls.env["crm.lead"].invalidate_model()

    @classmethod
    def _buy(cls, person, days_ago, amount=10, name="Purchase"):
        moment = cls.env.cr.now().replace(microsecond=0) - timedelta(days=days_ago)
        cls._add_purchases([(person.id, moment, amount, name)])

    def _as(self, user, record):
        return record.with_user(user).with_context(allowed_company_ids=self.env.company.ids)


class RfmCommon(ModelsCommon):
    """Ann bought often, for much, and lately; Bob once, for little, and long ago."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob, cls.cid = cls.people[:3]
        for days_ago in (1, 10, 20, 40, 50):
            cls._buy(cls.ann, days_ago, 500)
        cls._buy(cls.bob, 200, 20)
        cls.rfm = cls._make_rfm()

    def _scores(self, rfm=None, user=None):
        scores = self.env["directmail.rfm.customer"].with_user(user or self.owner)
        return scores.search([("rfm_model_id", "=", (rfm or self.rfm).id)])
