"""Records that match the filter of a series only when a related record is changed.

A change of a related record does not change the date of the record itself, so `series_starts` does
not find it. Rows of `directmail_series_candidate` are records that were changed since the series
started and did not match then; they are judged again when a table was written that the filter
reads.
"""

from odoo.tools import SQL, OrderedSet

from .paths import REFERRING, conditions, steps

#: operators whose value is ids, but which also read the related table
HIERARCHIC = ("child_of", "parent_of")


def find_related_tables(model, domain):
    """Return the names of the tables that a filter reads besides the columns of its own table.

    What the search method of a field reads is not known.

    :param model: an empty recordset with all rights
    :param Domain domain: a filter on it, as of `paths.read_filter`
    :return: sorted, each once; empty if the filter reads only columns of its own table
    :rtype: list[str]
    """
    found = set()
    for condition, path in conditions(model, domain):
        is_ids = condition.operator in REFERRING and condition.operator not in HIERARCHIC
        found |= _find_tables(path, is_ids and not _is_named(condition.value))
    return sorted(found)


def _is_named(value):
    """Return whether a condition compares with anything but ids, such as names of records."""
    values = [value] if isinstance(value, int) else value
    if not isinstance(values, (list, tuple, set, frozenset, OrderedSet)):
        return True
    return any(isinstance(each, str) for each in values)


def _find_tables(path, is_ids):
    """Return the tables that a path reads, as a set.

    :param path: [(model, field), …]
    :param is_ids: whether the last field is compared with ids
    """
    found = set()
    for place, (model, field) in enumerate(path):
        is_last = place == len(path) - 1
        if field.related and not field.store:
            found |= _find_tables(list(steps(model, field.related)), is_last and is_ids)
        elif field.type == "many2many" and field.store:
            found.add(field.relation)
        elif field.type == "one2many":
            found.add(model.env[field.comodel_name]._table)
        if field.comodel_name and not (is_last and is_ids):
            found.add(model.env[field.comodel_name]._table)
    return found


def describe_changes(tables, changes):
    """Return how many rows of some tables were written so far, as a text to compare.

    :param tables: names of the tables, sorted
    :param dict changes: `series_starts.Look.changes`
    """
    return ",".join(f"{table}:{changes.get(table, '')}" for table in tables) or None


def remember_candidates(env, series_id, touched, rows):
    """Remember the records that were changed and do not match, instead of those that do.

    :param SQL touched: the changed records, with the columns record and date
    :param SQL rows: those that match, with the column record
    """
    env.cr.execute(
        SQL(
            """WITH matching AS MATERIALIZED (SELECT record FROM (%(rows)s) rows),
                    gone AS (
                   DELETE FROM directmail_series_candidate
                    WHERE series_id = %(series)s AND record_id IN (SELECT record FROM matching)
               )
               INSERT INTO directmail_series_candidate AS c (series_id, record_id, changed_at)
               SELECT %(series)s, record, date FROM (%(touched)s) touched
                WHERE NOT EXISTS (SELECT FROM matching WHERE matching.record = touched.record)
                   ON CONFLICT (series_id, record_id)
                   DO UPDATE SET changed_at = EXCLUDED.changed_at
                       WHERE c.changed_at != EXCLUDED.changed_at""",
            series=series_id,
            touched=touched,
            rows=rows,
        )
    )


def select_candidate_ids(series_id):
    """Return SQL of the ids of the candidates of a series."""
    return SQL("SELECT record_id FROM directmail_series_candidate WHERE series_id = %s", series_id)


def forget_candidates(env, series_id, before=None, rows=None):
    """Delete candidates of a series: all of them, or old and matching ones.

    :param datetime before: those that were changed before this moment (naive UTC)
    :param SQL rows: those that match by now, with the column record
    """
    old = SQL("TRUE")
    if before:
        old = SQL(
            "changed_at < %s OR record_id IN (SELECT record FROM (%s) rows)",
            before,
            rows,
        )
    env.cr.execute(
        SQL("DELETE FROM directmail_series_candidate WHERE series_id = %s AND (%s)", series_id, old)
    )
