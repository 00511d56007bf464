from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytz

from odoo import fields
from odoo.tests import TransactionCase, freeze_time, new_test_user, tagged
from odoo.tools import SQL

from ...clock.daily import get_region_name, get_zone
from ...engine.clock import beijing_day, to_local
from ..common_models import ModelsCommon

YEARS = (1971, 1985, 1999, 2008, 2016, 2026)
MOMENTS = [datetime(year, month, 15, 12, 30, 5) for year in YEARS for month in (1, 4, 7, 10)]


@tagged("post_install", "-at_install")
class TestClock(TransactionCase):
    """SQL and Python agree on what a clock shows, for every zone that Odoo offers."""

    def _ask(self, expression, moments):
        rows = self.env.execute_query(
            SQL("SELECT m, %s FROM unnest(%s::timestamp[]) AS m", expression, moments)
        )
        return [(moment.replace(tzinfo=pytz.utc), found) for moment, found in rows]

    def test_all_zones_in_winter_and_summer(self):
        for name in pytz.all_timezones:
            for moment, found in self._ask(to_local(SQL("m"), name), MOMENTS):
                expected = moment.astimezone(get_zone(name)).replace(tzinfo=None)
                self.assertEqual(found, expected, (name, moment))

    def test_the_second_in_which_clocks_are_set(self):
        for name in ("CET", "WET", "EST5EDT", "America/New_York", "Australia/Lord_Howe",
                     "Africa/Casablanca", "Pacific/Apia", "Asia/Gaza"):  # fmt: skip
            zone = ZoneInfo(name)
            around = [
                change + timedelta(seconds=seconds)
                for change in pytz.timezone(name)._utc_transition_times
                if 1971 < change.year < 2027
                for seconds in (-1, 0, 1)
            ]
            for moment, found in self._ask(to_local(SQL("m"), name), around):
                expected = moment.astimezone(zone).replace(tzinfo=None)
                self.assertEqual(found, expected, (name, moment))

    def test_names_that_odoo_hands_to_postgresql(self):
        """Odoo's own SQL, as of filters on an hour, has PostgreSQL convert times."""
        for name in pytz.all_timezones:
            zone = SQL("m AT TIME ZONE 'UTC' AT TIME ZONE %s", get_region_name(name))
            for moment, found in self._ask(zone, MOMENTS[-4:]):
                expected = moment.astimezone(get_zone(name)).replace(tzinfo=None)
                self.assertEqual(found, expected, (name, moment))

    def test_nothing_known(self):
        for name in ("", None, "Nowhere/Land"):
            for moment, found in self._ask(to_local(SQL("m"), name), MOMENTS):
                self.assertEqual(found, moment.replace(tzinfo=None))
        self.assertEqual(self._ask(to_local(SQL("NULLIF(m, m)"), "CET"), MOMENTS[:1])[0][1], None)

    def test_the_day_in_beijing(self):
        [(found, expected)] = self.env.execute_query(
            SQL("SELECT %s, (now() AT TIME ZONE 'Asia/Shanghai')::date", beijing_day())
        )
        self.assertEqual(found, expected)


@tagged("post_install", "-at_install")
class TestSummerTime(ModelsCommon):
    """22:30 UTC is after midnight in summer in Central Europe, and before it in winter."""

    def test_recency_by_the_clock_of_cet(self):
        moment = datetime(2026, 7, 14, 22, 30)
        self._add_purchases([(self.people[0].id, moment, 10, "Purchase")])
        rfm = self._make_rfm()
        rfm.tz = "CET"
        rfm.sudo()._compute_results(datetime(2026, 7, 20, 12))
        self.assertEqual(str(rfm.customer_ids.last_date), "2026-07-15")

    def test_an_audience_by_the_hour_of_its_owner(self):
        user = new_test_user(
            self.env,
            "dm_cet",
            "email_marketing_dm.group_user,sales_team.group_sale_salesman_all_leads",
            tz="CET",
        )
        self._add_purchases([(self.people[0].id, datetime(2026, 7, 14, 22, 30), 10, "Purchase")])
        audience = (
            self.env["directmail.audience"]
            .with_user(user)
            .create(
                {
                    "name": "Bought past midnight",
                    "line_ids": [
                        (
                            0,
                            0,
                            {
                                "kind": "table",
                                "table_id": self.table.id,
                                "domain": "[('date_closed.hour_number', '=', 0)]",
                            },
                        )
                    ],
                }
            )
        )
        with freeze_time(fields.Datetime.to_datetime("2026-07-20 12:00:00")):
            audience.action_refresh()
        self.assertEqual(audience.sudo().member_ids.partner_id, self.people[0])
