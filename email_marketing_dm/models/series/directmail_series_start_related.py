from datetime import timedelta

from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine import series_related as related
from ...engine import series_starts as engine
from ...engine.paths import path_to_sql

#: For so many days after its last change, a record starts a series when a related record changes.
CANDIDATE_DAYS = 31


class DirectmailSeries(models.Model):
    """Series that start by records whose filter reads related records: see `series_related`.

    The tables that it reads are watched as the table of the records is, so that people enter, or
    are called off, within a minute after a related record was changed.
    """

    _inherit = "directmail.series"
    _guarded_fields = frozenset(("related_seen", "related_tables"))

    # Names of these tables, and `describe_changes` of them at the last look.
    related_tables = fields.Json(readonly=True, copy=False, groups=fields.NO_ACCESS)
    related_seen = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS)

    def _find_related_tables(self):
        """Return the names of the tables that the filter of the records reads, sorted."""
        # sudo(): the definition of the table, and which fields its filters name.
        table = self.start_table_id.sudo()
        model = table._get_model(self.env).sudo()
        domain = self._read_start_domain(self._get_owner_env()) & table._get_base_domain()
        return related.find_related_tables(model, domain)

    def _select_touched(self, date, window):
        """Return SQL of all records that were changed, with the columns record and date.

        Whether they match is judged later with the owner's rights; until then only ids are kept.

        :param str date: the field with the date of records
        :param Domain window: of the dates
        """
        # sudo(): see above.
        model = self.start_table_id.sudo()._get_model(self.env).sudo()
        model = model.with_context(active_test=False)
        if "company_id" in model._fields and model._fields["company_id"].store:
            window &= Domain("company_id", "in", [self.company_id.id, False])
        query = model._search(window)
        return query.select(
            SQL("%s AS record", SQL.identifier(query.table, "id")),
            SQL("(%s)::timestamp AS date", path_to_sql(model, date, query)),
        )

    def _watch_related(self):
        """Store which tables decide, besides that of the records, whether a record matches.

        At each look, because the filter of the data table may change.
        """
        is_decided_later = self.start_exit or self.start_event == "changed"
        self.related_tables = (is_decided_later and self._find_related_tables()) or False

    def _keeps_candidates(self):
        """Return whether records may start the series after a change of a related record."""
        return bool(self.related_tables) and self.start_event == "changed"

    def _remember_candidates(self, date, window, rows):
        """Remember changed records that don't match yet, if a related record may decide it.

        :param str date, Domain window: as `_select_touched`
        :param SQL rows: of the records that match
        """
        if self._keeps_candidates():
            touched = self._select_touched(date, window)
            related.remember_candidates(self.env, self.id, touched, rows)

    def _let_candidates_enter(self, path, at):
        """Let the people of records enter that match since a related record was changed.

        :param clock.steps.Path path: of the series
        :param datetime at: now (naive UTC)
        """
        if not self._keeps_candidates():
            return
        date, env = self._get_change_path(), self._get_owner_env()
        window = Domain("id", "any", related.select_candidate_ids(self.id))
        if self.start_unchanged:
            window &= Domain(date, "<=", at - timedelta(hours=self.start_unchanged))
        rows = self._select_start_rows(env, date, window)
        each = self.start_per == "record"
        people = engine.select_changed(
            rows, self.start_model_name, self.start_unchanged, each, moment=at
        )
        self._let_found_enter(path, people, each)
        related.forget_candidates(self.env, self.id, at - timedelta(days=CANDIDATE_DAYS), rows)

    def _forget_candidates(self):
        """Forget all candidates, because nobody enters any more."""
        for series in self:
            related.forget_candidates(self.env, series.id)
