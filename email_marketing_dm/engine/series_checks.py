"""Checks: whether people meet the condition of a step of a series."""

from typing import NamedTuple

from odoo.tools import SQL

from .exclusion import is_in
from .measuring import UNRECORDED, has_old_template, is_refused
from .people import current_addresses


class Check(NamedTuple):
    """The condition of a step.

    :ivar kind: "in" or "not_in" for an audience; "opened", "not_opened", "clicked" or "not_clicked"
        for the mail of an earlier step
    :ivar audience_id: None for a mail
    :ivar step_id: the step that sent the mail; None for an audience
    """

    kind: str
    audience_id: int | None
    step_id: int | None


def judge(env, context, rules, check, entry_ids):
    """Return whether people meet the condition of a step.

    Audiences count as of their last refresh, and a person is in one as for `get_exit_reason`: also
    by the address at which they are mailed now. A person who did not get the mail has not opened
    it.

    :param PeopleContext context: how to find people and addresses
    :param rules: `fatigue.TaskRules` that tell how the people of the series are addressed
    :param Check check: the condition
    :param entry_ids: ids of `directmail.series.entry`
    :return: {entry id: whether; None if it is not known, because opens or clicks of this person may
        not be recorded}
    :rtype: dict
    """
    if check.kind in ("in", "not_in"):
        people = _select_addressed(env, context, rules)
        met = is_in([check.audience_id], SQL("e"))
    else:
        people = SQL("SELECT * FROM entries")
        met = _has_reacted(check)
    if check.kind.startswith("not_"):
        met = SQL("NOT (%s)", met)
    rows = env.execute_query(
        SQL(
            """WITH entries AS MATERIALIZED (
                   SELECT * FROM directmail_series_entry WHERE id = ANY(%s)
               )
               SELECT id, %s FROM (%s) e""",
            entry_ids,
            met,
            people,
        )
    )
    return dict(rows)


def _select_addressed(env, context, rules):
    """Return SQL of `entries` with their present contacts and addresses."""
    return SQL(
        """WITH people AS (
               SELECT *, contact_number IS NOT NULL AS is_contact FROM entries
           ), %s SELECT * FROM addressed""",
        current_addresses(env, context, rules, carried=("id",)),
    )


def _has_reacted(check):
    """Return SQL that tells whether an entry `e` has opened or clicked the mail of a step."""
    is_open = check.kind.endswith("opened")
    return SQL(
        """CASE COALESCE((
            SELECT CASE WHEN d.state NOT IN ('sending', 'unknown', 'sent') THEN 'no'
                        WHEN %(unrecorded)s THEN 'unknown'
                        WHEN %(moment)s IS NOT NULL THEN 'yes' ELSE 'no' END
              FROM directmail_delivery d JOIN directmail_task t ON t.id = d.task_id
             WHERE d.series_entry_id = e.id AND t.series_step_id = %(step)s
             ORDER BY d.id DESC LIMIT 1), 'no') WHEN 'yes' THEN TRUE WHEN 'no' THEN FALSE END""",
        step=check.step_id,
        # A click counts as an opening: see `directmail.delivery`.
        moment=SQL("d.opened_at") if is_open else SQL("d.clicked_at"),
        unrecorded=_is_unrecorded("open" if is_open else "click"),
    )


def _is_unrecorded(kind):
    """Return SQL that tells whether opens or clicks of a delivery `d` may not be recorded.

    As in `engine.measuring.is_unrecorded`, with the tasks that switch recording off.
    """
    codes = list(UNRECORDED[kind])
    return SQL(
        """(%(is_off)s OR t.nobody_measured IS TRUE OR COALESCE(d.measuring = ANY(%(codes)s), FALSE)
            OR %(refused)s
            OR %(is_old)s AND EXISTS (SELECT FROM directmail_delivery u
                                       WHERE u.task_id = t.id AND u.measuring = ANY(%(codes)s)))""",
        is_off=SQL("t.track_opens IS NOT TRUE")
        if kind == "open"
        else SQL("t.track_clicks IS NOT TRUE"),
        codes=codes,
        refused=is_refused(SQL("d")),
        is_old=has_old_template(SQL("t.id")),
    )


def remember(env, step_id, met, at):
    """Store the answers to a check in the entries, and count them at the step.

    :param dict met: as of `judge`
    :param datetime at: when it was checked (naive UTC)
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e
                  SET checks = COALESCE(checks, '[]') || jsonb_build_array(jsonb_build_array(
                               %(step)s, new.met, %(at)s))
                 FROM unnest(%(ids)s::int[], %(met)s::boolean[]) AS new (id, met)
                WHERE e.id = new.id""",
            step=step_id,
            ids=list(met),
            met=list(met.values()),
            at=str(at),
        )
    )
    answers = list(met.values())
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_step
                  SET met_count = COALESCE(met_count, 0) + %s,
                      not_met_count = COALESCE(not_met_count, 0) + %s,
                      not_known_count = COALESCE(not_known_count, 0) + %s
                WHERE id = %s""",
            answers.count(True),
            answers.count(False),
            answers.count(None),
            step_id,
        )
    )
