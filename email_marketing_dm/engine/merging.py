"""Merging: the rows of a contact or record that is merged into another follow the remaining one.

Odoo moves the foreign keys of merged contacts itself, so only rows need more that may be there once
for a person. Rows of records of other models (`res_model`, `res_id`) have no foreign key. They also
follow a record that gets a contact: the same person then is a member through the contact.
"""

from dataclasses import dataclass

from odoo.tools import SQL

from .person import PERSON, person_columns
from .snapshots import STAY, touch

#: in place of an open `until_id`, to compare: larger than any id
NEVER = 2**31 - 1


@dataclass(frozen=True)
class Merged:
    """Records of one model that are about to be deleted, and the one that remains.

    :ivar str model: its name
    :ivar merged_ids: ids of the records that are about to be deleted
    :ivar int kept_id: id of the record that remains
    """

    model: str
    merged_ids: list[int]
    kept_id: int

    def is_one(self, alias, *, merged_only=False):
        """Return SQL of the condition that a row of people is about one of the records.

        :param SQL alias: name of a row with the columns of a person
        :param bool merged_only: leave out the record that remains
        """
        ids = list(self.merged_ids) if merged_only else [*self.merged_ids, self.kept_id]
        if self.model == "res.partner":
            return SQL("%s.partner_id = ANY(%s)", alias, ids)
        return SQL(
            "(%(alias)s.partner_id IS NULL AND %(alias)s.res_model = %(model)s"
            " AND %(alias)s.res_id = ANY(%(ids)s))",
            alias=alias,
            model=self.model,
            ids=ids,
        )


@dataclass(frozen=True)
class Joined(Merged):
    """Records without a contact that have got one: `kept_id` is its id.

    Audiences of other companies than the contact's keep their rows, and all do if it is archived: a
    refresh would not find the contact either.
    """

    def is_one(self, alias, *, merged_only=False):
        """Override: the rows of the records, and those of the contact."""
        of_records = super().is_one(alias, merged_only=True)
        if not merged_only:
            return SQL("(%s OR %s.partner_id = %s)", of_records, alias, self.kept_id)
        return SQL(
            """(%(of_records)s AND %(alias)s.audience_id IN (
                SELECT a.id FROM directmail_audience a
                  JOIN res_partner p ON p.id = %(contact)s AND p.active
                       AND COALESCE(p.company_id, a.company_id) = a.company_id))""",
            of_records=of_records,
            alias=alias,
            contact=self.kept_id,
        )


def merge_stays(env, merged):
    """Give the remaining person one row of `directmail_audience_stay` for each uninterrupted time.

    Two rows of one person that overlap would count twice as *Left* once the person leaves.

    :param Merged merged: who is merged
    """
    env.cr.execute(
        SQL(
            """WITH known AS (
                   DELETE FROM %(stay)s s
                    WHERE %(is_one)s AND EXISTS (
                          SELECT FROM %(stay)s m
                           WHERE m.audience_id = s.audience_id AND %(is_merged)s)
                RETURNING *
               ), reached AS (
                   SELECT *, COALESCE(until_id, %(never)s) AS until,
                          max(COALESCE(until_id, %(never)s)) OVER (
                              PARTITION BY audience_id ORDER BY since_id, id
                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach
                     FROM known
               ), times AS (
                   SELECT *, count(*) FILTER (WHERE reach IS NULL OR reach < since_id) OVER (
                              PARTITION BY audience_id ORDER BY since_id, id) AS number
                     FROM reached
               )
               INSERT INTO %(stay)s (audience_id, since_id, until_id, %(person)s)
               SELECT audience_id, min(since_id), NULLIF(max(until), %(never)s), %(columns)s
                 FROM times GROUP BY audience_id, number""",
            stay=STAY,
            is_one=merged.is_one(SQL("s")),
            is_merged=merged.is_one(SQL("m"), merged_only=True),
            never=NEVER,
            person=PERSON,
            columns=_take_person(merged),
        )
    )


def _take_person(merged):
    """Return SQL of the columns of the person that several rows are merged into, for a GROUP BY.

    A record keeps its own latest address.
    """
    if merged.model == "res.partner" or isinstance(merged, Joined):
        return person_columns(partner_id=SQL("%s::int", merged.kept_id))
    latest = SQL("ORDER BY res_id = %s DESC, since_id DESC", merged.kept_id)
    return person_columns(
        res_model=SQL("%s::varchar", merged.model),
        res_id=SQL("%s::int", merged.kept_id),
        email=SQL("(array_agg(email %s))[1]", latest),
        address_key=SQL("(array_agg(address_key %s))[1]", latest),
    )


def join_contact(env, joined):
    """Let the rows of audiences and snapshots follow records to the contact that they have got.

    Otherwise the next refresh and snapshot would tell that one left and one entered, and the
    contact would enter a series in which the record already is. The caller flushes before, and
    invalidates after.

    :param Joined joined: the records and their contact
    """
    is_merged = joined.is_one(SQL("m"), merged_only=True)
    env.cr.execute(
        SQL(
            """DELETE FROM directmail_audience_member m
                WHERE %s AND EXISTS (
                      SELECT FROM directmail_audience_member o
                       WHERE o.audience_id = m.audience_id
                         AND (o.partner_id = %s OR o.id < m.id AND %s))""",
            is_merged,
            joined.kept_id,
            joined.is_one(SQL("o"), merged_only=True),
        )
    )
    env.cr.execute(
        SQL(
            "UPDATE directmail_audience_member m SET (%s) = (SELECT %s) WHERE %s",
            PERSON,
            person_columns(partner_id=SQL("%s::int", joined.kept_id)),
            is_merged,
        )
    )
    merge_stays(env, joined)


def find_affected_series(env, merged):
    """Return the ids of series that may let one of the records enter, or have let it enter.

    :param Merged merged: records of another model than contacts
    """
    rows = env.execute_query(
        SQL(
            """SELECT id FROM directmail_series s
                WHERE state IN ('running', 'closing', 'paused') AND (
                      audience_id IN (SELECT audience_id FROM directmail_audience_member m
                                       WHERE %(is_merged)s)
                   OR start_table_id IN (SELECT id FROM directmail_data_table
                                          WHERE model_name = %(model)s)
                   OR id IN (SELECT series_id FROM directmail_series_entry m
                              WHERE contact_number IS NULL AND %(is_merged)s))""",
            is_merged=merged.is_one(SQL("m"), merged_only=True),
            model=merged.model,
        )
    )
    return [number for (number,) in rows]


def hold_audiences(env, merged):
    """Let refreshes and snapshots of the records' audiences conflict with this transaction.

    One that does not see the merge would write rows of records that are gone. Rows of contacts need
    no such lock: their foreign key conflicts.

    :param Merged merged: records of another model than contacts
    """
    rows = env.execute_query(
        SQL(
            """SELECT audience_id FROM directmail_audience_member m WHERE %(is_merged)s
                UNION SELECT audience_id FROM %(stay)s m WHERE %(is_merged)s""",
            is_merged=merged.is_one(SQL("m"), merged_only=True),
            stay=STAY,
        )
    )
    touch(env, [number for (number,) in rows])


def move_records(env, merged):
    """Let the rows of records that are not contacts follow the record that they are merged into.

    The caller flushes before, has locked the series of `find_affected_series`, and invalidates
    after.

    :param Merged merged: records of another model than contacts
    """
    hold_audiences(env, merged)
    _move_members(env, merged)
    merge_stays(env, merged)
    env.cr.execute(
        SQL(
            "UPDATE directmail_delivery d SET res_id = %s WHERE %s",
            merged.kept_id,
            merged.is_one(SQL("d"), merged_only=True),
        )
    )
    _move_entries(env, merged)
    _move_occasions(env, merged)


def _move_members(env, merged):
    """Leave each audience one member: the remaining record's own, or the oldest of the others."""
    env.cr.execute(
        SQL(
            """WITH kept AS (
                   SELECT DISTINCT ON (audience_id) id FROM directmail_audience_member m
                    WHERE %(is_one)s ORDER BY audience_id, res_id = %(kept)s DESC, id
               ), gone AS (
                   DELETE FROM directmail_audience_member m
                    WHERE %(is_merged)s AND id NOT IN (SELECT id FROM kept)
               )
               UPDATE directmail_audience_member m SET res_id = %(kept)s
                WHERE %(is_merged)s AND id IN (SELECT id FROM kept)""",
            is_one=merged.is_one(SQL("m")),
            is_merged=merged.is_one(SQL("m"), merged_only=True),
            kept=merged.kept_id,
        )
    )


def _move_entries(env, merged):
    """Move the places in series, unless the remaining record has one of the same run.

    Then the merged record's place stays with its id, and is called off, as that of a deleted one.
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e SET res_id = %(kept)s WHERE e.id IN (
                   SELECT DISTINCT ON (m.series_id, m.run) m.id FROM directmail_series_entry m
                    WHERE m.contact_number IS NULL AND %(is_merged)s AND NOT EXISTS (
                          SELECT FROM directmail_series_entry o
                           WHERE o.series_id = m.series_id AND o.run = m.run
                             AND o.contact_number IS NULL AND o.res_model = m.res_model
                             AND o.res_id = %(kept)s)
                    ORDER BY m.series_id, m.run, m.state = 'inside' DESC, m.id)""",
            is_merged=merged.is_one(SQL("m"), merged_only=True),
            kept=merged.kept_id,
        )
    )


def _move_occasions(env, merged):
    """Move what series started for, unless they have started for the remaining record, too.

    Otherwise the series would be called off, because its record is gone.
    """
    # See `engine.series_starts` for the texts in `occasion`: model, record and, for dates, more.
    moved = SQL("regexp_replace(m.occasion, ',[0-9]+', ',' || %s)", merged.kept_id)
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e SET occasion = found.occasion FROM (
                   SELECT DISTINCT ON (m.series_id, %(moved)s) m.id, %(moved)s AS occasion
                     FROM directmail_series_entry m
                    WHERE m.series_id IN (
                          SELECT s.id FROM directmail_series s
                            JOIN directmail_data_table t ON t.id = s.start_table_id
                           WHERE s.start_kind IN ('record', 'date')
                             AND t.model_name = %(model)s)
                      AND split_part(m.occasion, ',', 1) = %(model)s
                      AND split_part(m.occasion, ',', 2) = ANY(%(merged)s)
                      AND NOT EXISTS (
                          SELECT FROM directmail_series_entry o
                           WHERE o.series_id = m.series_id AND o.occasion = %(moved)s)
                    ORDER BY m.series_id, %(moved)s, m.state = 'inside' DESC, m.id) found
                WHERE e.id = found.id""",
            moved=moved,
            model=merged.model,
            merged=[str(number) for number in merged.merged_ids],
        )
    )
