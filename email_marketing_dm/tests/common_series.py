from datetime import timedelta

from odoo import fields
from odoo.tools import SQL

from .common import DirectmailCommon

CRON = "email_marketing_dm.ir_cron_directmail_series"


class SeriesMixin:
    """Lets time pass for series; for classes with `DirectmailMixin`."""

    def _advance(self, **ago):
        """Run the cron of series, after moving people's moments back by so much.

        And a minute more: the cron's present has no fractions of seconds, but a moment after a mail
        that was sent in this very second has.
        """
        self.env.flush_all()
        if ago:
            self.env.cr.execute(
                "UPDATE directmail_series_entry SET due_at = due_at - %s",
                [timedelta(**ago) + timedelta(minutes=1)],
            )
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()

    def _go_on(self, **ago):
        """Plan what is due, send it, and look at the mails."""
        self._advance(**ago)
        self._run_cron()
        self._advance(minutes=20)


class SeriesCommon(SeriesMixin, DirectmailCommon):
    """Two people in an audience, two templates, and helpers that make and run series."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("p0@customer.example", "p1@customer.example", ref="series")
        cls.audience = cls._make_audience(None, lines=[{"domain": "[('ref', '=', 'series')]"}])
        cls.audience.action_refresh()
        cls.first = cls._make_template(name="Hello")
        cls.second = cls._make_template(name="Tips")

    def setUp(self):
        super().setUp()
        self.emulator.clear_faults()

    def _make(self, *steps, owner=None, **vals):
        """Make a series: by default a mail, a day, a mail."""
        steps = steps or (
            {"template_id": self.first.id},
            {"kind": "wait"},
            {"template_id": self.second.id},
        )
        return (
            self.env["directmail.series"]
            .with_user(owner or self.user)
            .create(
                {
                    "name": "Welcome",
                    "account_id": self.account.id,
                    "audience_id": self.audience.id,
                    "sender_id": self.sender.id,
                    "tz": "Europe/Berlin",
                    "entry": "all",
                    "step_ids": [
                        fields.Command.create({"sequence": place, **step})
                        for place, step in enumerate(steps)
                    ],
                    **vals,
                }
            )
        )

    def _start(self, *steps, **vals):
        """Start a series, and let its email tasks begin."""
        series = self._make(*steps, **vals)
        series.action_start()
        self._run_cron()
        return series

    def _join(self, *emails):
        people = self._make_people(*emails, ref="series")
        self.audience.action_refresh()
        return people

    def _get_mailed(self, template):
        mails = self.env["directmail.delivery"].search(
            [("task_id.series_step_id.template_id", "=", template.id), ("state", "=", "sent")]
        )
        return mails.partner_id

    def _get_entry(self, series, person):
        return series.entry_ids.filtered(lambda entry: entry.partner_id == person)


class SeriesRecordCommon(SeriesCommon):
    """Series that start by leads, which their owner may read."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seller_group = cls.env.ref("sales_team.group_sale_salesman_all_leads")
        cls.user.group_ids += cls.seller_group
        cls.leads = cls.env["directmail.data.table"].search([("preset", "=", "leads")])

    def _start_by_leads(self, template, **vals):
        vals = {
            "start_kind": "record",
            "start_table_id": self.leads.id,
            "start_domain": "[('name', 'like', 'Cart')]",
            "audience_id": False,
            "tz": "UTC",
            **vals,
        }
        return self._start({"template_id": template.id}, **vals)

    def _enter(self, series, records):
        """Let people enter by records that have just been changed."""
        since = fields.Datetime.now() - timedelta(minutes=5)
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "UPDATE %s SET write_date = %s WHERE id = ANY(%s)",
                SQL.identifier(records._table),
                since + timedelta(minutes=1),
                records.ids,
            )
        )
        series.sudo().write({"started_until": since, "next_start_at": since})
        self._advance()
