"""The parts of the plan's statement for a step of a series: see `engine.plan`."""

from odoo.tools import SQL

from .people import current_addresses
from .person import PERSON

#: columns of `people` that lead from a person to the entry
CARRIED = ("series_entry_id", "series_run", "delivery_id")


def entered_people(env, context, rules, entry_ids, lenders):
    """Return CTEs ending in `addressed`: the people of some entries, at their present addresses.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task
    :param lenders: the `people.Lenders` of the task, which has one audience or none
    :return: SQL; `addressed` also has `series_entry_id` and `series_run`
    :rtype: SQL
    """
    return SQL(
        """people AS (
            SELECT %s, contact_number IS NOT NULL AS is_contact, %s::int AS lender_id,
                   id AS series_entry_id, run AS series_run, delivery_id
              FROM directmail_series_entry WHERE id = ANY(%s)
        ), %s""",
        PERSON,
        # Without an audience, people were found with the rights of the owner of the series.
        lenders.owner_ids[0] if lenders.owner_ids else lenders.task_owner_id,
        list(entry_ids),
        current_addresses(env, context, rules, carried=("lender_id", *CARRIED)),
    )


def carry_entries(entry_ids):
    """Return the columns that lead from a person to the entry; empty outside of a series."""
    if entry_ids is None:
        return SQL()
    return SQL(", %s", SQL(", ").join(map(SQL.identifier, CARRIED)))


def get_delivery_columns(entry_ids):
    """Return the columns of a delivery that lead to the entry; empty outside of a series.

    :return: {"entry_columns": names, "entry_values": values from the columns of `carry_entries`}
    :rtype: dict
    """
    if entry_ids is None:
        return {"entry_columns": SQL(), "entry_values": SQL()}
    return {
        "entry_columns": SQL(", series_entry_id, series_run, id"),
        # An entry that `enter` has inserted for a plan knows the id of its delivery already.
        "entry_values": SQL(
            """, series_entry_id, series_run,
               COALESCE(delivery_id, nextval('directmail_delivery_id_seq'))"""
        ),
    }


def get_earlier_mails(task_ids, person):
    """Return the parts of the plan's statement that find the addresses that got the step's mail.

    In this run: who has entered the series again gets the mail again.

    :param task_ids: ids of the tasks that send the step, each for a month
    :param SQL person: name of a row with the columns address_key and series_run
    :return: as `engine.family.get_family`
    :rtype: dict
    """
    return {
        "got": SQL(),
        # By `_address_unique`: one lookup for each month of the step.
        "join_got": SQL(
            """LEFT JOIN LATERAL (
                    SELECT d.address_key FROM directmail_delivery d
                     WHERE d.task_id = ANY(%(tasks)s) AND d.address_key = %(person)s.address_key
                       AND COALESCE(d.series_run, 1) = %(person)s.series_run
                       AND d.state != 'suppressed' LIMIT 1) got ON TRUE""",
            tasks=list(task_ids),
            person=person,
        ),
        "is_got": SQL("WHEN got.address_key IS NOT NULL THEN 'family'"),
    }
