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

    def _check(self, kind="opened", **vals):
        """Return the values of a step with a condition."""
        return {"kind": "check", "check_kind": kind, "check_unknown": "not_met", **vals}

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


class SeriesStartCommon(SeriesCommon):
    """Series that start by hand, on dates or by leads, which their owner may read."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seller_group = cls.env.ref("sales_team.group_sale_salesman_all_leads")
        cls.user.group_ids += cls.seller_group
        cls.leads = cls.env["directmail.data.table"].search([("preset", "=", "leads")])

    def _start_by(self, kind, *steps, **vals):
        vals = {"start_kind": kind, "audience_id": False, "tz": "UTC", **vals}
        return self._start(*(steps or [{"template_id": self.first.id}]), **vals)

    def _open_dialog(self, people, series, user=None):
        return (
            self.env["directmail.series.put"]
            .with_user(user or self.user)
            .with_context(active_model="res.partner", active_ids=people.ids)
            .create({"series_id": series.id})
        )

    def _start_on(self, moment, **vals):
        """Start a series on dates, whose time of day is that of a moment (naive UTC)."""
        return self._start_by(
            "date",
            **{
                "start_date_path": "date_deadline",
                "start_hour": moment.hour + moment.minute / 60,
                "start_table_id": self.leads.id,
                "start_yearly": False,
                **vals,
            },
        )

    def _make_lead(self, day, person=None, **vals):
        return self.env["crm.lead"].create(
            {"name": "Lead", "date_deadline": day, "partner_id": person and person.id, **vals}
        )


class SeriesRecordCommon(SeriesStartCommon):
    """Series that start by leads whose name contains "Cart"."""

    def _start_by_leads(self, template, **vals):
        vals = {"start_domain": "[('name', 'like', 'Cart')]", **vals}
        step = {"template_id": template.id}
        return self._start_by("record", step, start_table_id=self.leads.id, **vals)

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
