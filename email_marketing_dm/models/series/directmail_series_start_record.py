from datetime import timedelta
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from ...engine import series_starts as engine
from ...engine.series_related import describe_changes

#: Most hours for which a record has to stay as it is.
UNCHANGED_MAX = 24 * 31
#: A series looks at its records at least so often, in case PostgreSQL's statistics miss a change.
SELDOM = timedelta(hours=6)
#: Pause between two looks at whether records have changed.
OFTEN = timedelta(minutes=1)


class DirectmailSeries(models.Model):
    """Series that start by new and changed records of a data table, such as abandoned carts.

    PostgreSQL's statistics tell whether a table was changed, for all series in one statement; only
    then are its records read. `started_until` is a date of the records: all up to it have been
    looked at, transactions that were committed late included (`engine.series_starts.Look`).
    """

    _inherit = "directmail.series"
    _guarded_fields = frozenset(("changes_seen",))

    start_kind = fields.Selection(
        selection_add=[("record", "When a record is created or changed")],
        ondelete={"record": "cascade"},
    )
    start_event = fields.Selection(
        [("changed", "New and changed records"), ("new", "New records only")],
        "Changes",
        required=True,
        default="changed",
        help="Only changes after the start of the series count, and only if the record then matches"
        " the filter. If the filter reads related records, such as the country of the customer, a"
        " changed record also starts the series when it matches because of them within 31 days.",
    )
    start_unchanged = fields.Integer(
        "Unchanged for (hours)",
        help="The series starts when the record still matches the filter this many hours after its"
        " last change, for example 4 hours for abandoned carts. With 0, it starts within a minute.",
    )
    start_per = fields.Selection(
        [("record", "Record"), ("person", "Person")],
        "Starts for each",
        required=True,
        default="record",
        help="Record: the series starts again for a person with another record, such as a second"
        " cart. Person: “Enter again” tells whether it does.",
    )
    start_exit = fields.Boolean(
        "Stop if it no longer matches",
        default=True,
        help="The series is called off for a person when the record no longer matches the filter,"
        " for example when the cart was paid, or because a related record was changed. This is"
        " checked before each mail is planned, and each minute until it is sent.",
    )
    # How many rows of the table had been written at the last look: see `Look`.
    changes_seen = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS)

    @api.constrains("start_kind", "start_unchanged")
    def _check_start_unchanged(self):
        for series in self.filtered(lambda series: series.start_kind == "record"):
            if not 0 <= series.start_unchanged <= UNCHANGED_MAX:
                raise ValidationError(
                    self.env._("Enter a number of hours from 0 to %s.", UNCHANGED_MAX)
                )

    def _get_change_path(self):
        return "create_date" if self.start_event == "new" else "write_date"

    # === CRON === #

    @api.model
    def _look_at_records(self):
        """Let people enter by records that were created or changed since the last look.

        And call off those whose record no longer matches, before their mails are planned.
        """
        if not (watching := engine.read_watching(self.env)):
            return
        models = {one.model_name for one in watching}
        tables = {name: self.env[name]._table for name in models if name in self.env}
        others = {table for one in watching for table in one.related_tables or ()}
        look = engine.take_look(self.env, list(others.union(tables.values())))
        for one in watching:
            changes = look.changes.get(tables.get(one.model_name))
            related = describe_changes(one.related_tables or (), look.changes)
            is_own = changes != one.seen or not one.next_at or one.next_at <= look.at
            if is_own or related != one.related_seen:
                series = self.browse(one.id)
                series._try_to_advance(partial(series._look, look.safe, changes, related, is_own))
                self.env["ir.cron"]._commit_progress(1)
        self._wake_within(look.at, look.at + OFTEN)

    def _look(self, safe, changes, related, is_own):
        """Let people enter by records, and call off others.

        Runs in a transaction that began after ``safe`` was read.

        :param datetime safe, changes: as in `engine.series_starts.Look`, for the table
        :param related: `describe_changes` of the other tables that the filter reads
        :param bool is_own: whether the table was changed; otherwise only the other ones were
        :return: False: there is no more to do
        """
        self = self._lock_to_advance()
        if not self:
            return False
        at = fields.Datetime.now()
        self._watch_related()
        if self.state != "running":
            self.write({"next_start_at": at + SELDOM, "changes_seen": changes})
            self._forget_candidates()
        else:
            path = self._make_path()
            # With hours, records become old enough without a change of their table.
            if is_own or self.start_unchanged:
                self._let_changed_enter(path, at, safe, changes)
            self._let_candidates_enter(path, at)
        self.related_seen = related
        self.env.flush_all()
        if self.start_exit:
            self._call_off_changed(at)
        return False

    def _call_off_changed(self, at):
        """Call off the series for people whose record no longer matches the filter.

        :param datetime at: now (naive UTC)
        """
        mine = Domain("id", "any", engine.select_record_ids(self.id))
        rows = self._select_start_rows(self._get_owner_env(), self._get_change_path(), mine)
        engine.call_off_changed(self.env, self.id, rows, at)
        self.env.invalidate_all()

    def _let_changed_enter(self, path, at, safe, changes):
        """Let the people of records enter that were created or changed since the last look.

        :param clock.steps.Path path: of the series
        :param datetime at: now (naive UTC)
        :param safe, changes: as `_look`
        """
        until = at - timedelta(hours=self.start_unchanged)
        date, env = self._get_change_path(), self._get_owner_env()
        # Not ">": Odoo compares whole seconds, and records may be written later in this one. What
        # is found again does not enter again, because each occasion enters once.
        window = Domain(date, ">=", self.started_until)
        # Without hours, later records count at once: `changes` includes what was written since
        # `at`, which is a full second, or by a server whose clock is ahead.
        if self.start_unchanged:
            window &= Domain(date, "<=", until)
        found = self._select_start_rows(env, date, window)
        each = self.start_per == "record"
        people = engine.select_changed(found, self.start_model_name, self.start_unchanged, each)
        self._let_found_enter(path, people, each)
        self._remember_candidates(date, window, found)
        self.write(
            {
                "started_until": max(self.started_until, min(until, safe.replace(microsecond=0))),
                "next_start_at": self._find_next_look(env, date, until, at),
                "changes_seen": changes,
            }
        )
        self.env.flush_all()

    def _find_next_look(self, env, date, until, at):
        """Return when a record has been unchanged for long enough next, at the latest `SELDOM`.

        :param env: as `_check_start_rights`
        :param str date: the field with the date of records
        :param datetime until: the date up to which records are unchanged for long enough
        :param datetime at: now (naive UTC)
        """
        if not self.start_unchanged:
            return at + SELDOM
        rows = self._select_start_rows(env, date, Domain(date, ">", until))
        first = engine.find_first(self.env, rows)
        # A record that was written in a later second than `at` counts from now on.
        ripe = first and max(first, until) + timedelta(hours=self.start_unchanged)
        return min(ripe + timedelta(seconds=1), at + SELDOM) if ripe else at + SELDOM
