"""Preferences of recipients: fewer mails, or none until a day; see `directmail.preference`.

They are the recipient's own and hold for all mails except notifications, whatever the company's
fatigue control says. The plan, the estimate and claims use this one fragment. In names, a wish is a
preference that can hold back mails: all but the language.
"""

from odoo.tools import SQL

from ..clock.spans import CAPS


def select_wishes(task):
    """Return SQL that tells whether any preference can hold back mails of a task.

    :param SQL task: name of a row of `directmail_task`
    :return: SQL of a boolean; false for notifications
    """
    return SQL(
        """(%(task)s.is_notification IS NOT TRUE AND EXISTS (
                SELECT FROM directmail_preference w
                 WHERE w.company_id = %(task)s.company_id
                   AND (w.cap IS NOT NULL OR w.paused_until IS NOT NULL)))""",
        task=task,
    )


def read_wishes(env, task_id):
    """Return the result of `select_wishes` for a task; the caller has flushed. :rtype: bool"""
    [(wishes,)] = env.execute_query(
        SQL("SELECT %s FROM directmail_task t WHERE t.id = %s", select_wishes(SQL("t")), task_id)
    )
    return wishes


def get_wish_reason(task, person, moment, counted):
    """Return SQL of the reason for which a recipient does not want a mail at a moment, or null.

    A cap counts calendar days in the account's time zone: see `CAPS`.

    :param TaskRules task: of the task
    :param SQL person: name of a row with address_key
    :param SQL moment: the moment at which the mail would be sent (timestamp, UTC)
    :param SQL counted: the condition on rows of `directmail_delivery` that they count as sent
    :rtype: SQL
    """
    if not task.wishes:
        return SQL("NULL")
    days = SQL(" ").join(SQL("WHEN %s THEN %s", code, number) for code, number in CAPS.items())
    return SQL(
        """(SELECT CASE
                   WHEN w.paused_until > %(moment)s THEN 'paused'
                   WHEN w.cap IS NOT NULL AND EXISTS (
                        SELECT FROM directmail_delivery
                         WHERE %(counted)s AND company_id = w.company_id
                           AND address_key = w.address_key AND claimed_at >= (
                               ((%(moment)s AT TIME ZONE 'UTC' AT TIME ZONE %(zone)s)::date
                                - CASE w.cap %(days)s END + 1)::timestamp
                               AT TIME ZONE %(zone)s AT TIME ZONE 'UTC'))
                   THEN 'less_often' END
              FROM directmail_preference w
             WHERE w.company_id = %(company)s AND w.address_key = %(person)s.address_key)""",
        moment=moment,
        counted=counted,
        zone=task.zone,
        days=days,
        company=task.company_id,
        person=person,
    )
