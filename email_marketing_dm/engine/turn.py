"""Read what a claim decides by: the capacity of an account, and its tasks in their order."""

from collections import namedtuple

from odoo.tools import SQL

from .clock import beijing_day
from .control import select_groups
from .fatigue import TaskRules
from .fatigue_rules import make_rules, select_settings
from .mailing_consent import select_purpose
from .measuring import make_rules as make_measuring_rules
from .measuring import select_rules
from .preferences import select_wishes
from .series_exits import select_exits, select_hours

Capacity = namedtuple("Capacity", "state places budget quota has_expired")
Capacity.__doc__ = """How many mails an account may send now.

:ivar state: of the account; None if this server's master key is not that of the data, or a re-key
    is running
:ivar places: the account's threads minus its deliveries in the state *sending*, of all servers
:ivar budget: mails a day for email tasks: the daily quota minus the account's reserve
:ivar quota: `budget` minus the mails that this database handed over since midnight in Beijing;
    DirectMail doesn't tell how much of the quota is used
:ivar has_expired: whether a delivery is *sending* whose lease is over, so that its answer can no
    longer come
"""

Turn = namedtuple("Turn", "capacity rules measuring at tasks limited")
Turn.__doc__ = """What `claim` decides by, read in one statement.

:ivar Capacity capacity: of the account
:ivar FatigueRules rules: of fatigue control in the account's company
:ivar MeasuringRules measuring: whose opens and clicks may be recorded in this company
:ivar datetime at: the database's time (naive UTC), so that all servers judge by one clock
:ivar tasks: [(task id, `fatigue.TaskRules`)] of the account's tasks that are *sending*, in the
    order in which they are served
:ivar limited: ids of their sender addresses that have a warm-up or are braked: see `allowance`
"""


def read_capacity(env, context):
    """Return how many mails an account may send now; the caller has flushed the account.

    :param ClaimContext context: of the account
    :rtype: Capacity
    """
    [row] = env.execute_query(_select_capacity(env, context))
    return Capacity(*row)


def _select_capacity(env, context):
    """Return SQL of the fields of `Capacity`."""
    return SQL(
        """SELECT CASE WHEN k.id IS NOT NULL AND k.next_fingerprint IS NULL
                       THEN a.state END AS state,
                  GREATEST(0, a.threads - sending.number) AS places,
                  budget.mails AS budget,
                  GREATEST(0, budget.mails - COALESCE(usage.used, 0)) AS quota,
                  sending.expired AS has_expired
             FROM directmail_account a
            CROSS JOIN LATERAL (
                  SELECT GREATEST(0, COALESCE(a.daily_quota, 0) - COALESCE(a.quota_reserve, 0))
            ) AS budget (mails)
            CROSS JOIN LATERAL (
                  SELECT count(*), COALESCE(bool_or(lease_until < now() AT TIME ZONE 'UTC'), FALSE)
                    FROM directmail_delivery WHERE account_id = a.id AND state = 'sending'
            ) AS sending (number, expired)
             LEFT JOIN directmail_usage usage ON usage.account_id = a.id
                       AND usage.day = %s
              -- Under another master key nobody who has unsubscribed would be recognized.
              LEFT JOIN directmail_data_key k ON k.fingerprint = %s
             WHERE a.id = %s""",
        beijing_day(),
        context.find_fingerprint(env),
        context.account_id,
    )


def read_turn(env, context):
    """Return the `Turn` of an account.

    Plain SQL without the ORM, because it runs many times a second while mails are sent. One row per
    sending task, in the order in which the tasks are served; a single row without a task if no task
    is sending.
    """
    env.flush_all()
    env.cr.execute(_select_turn(env, context))
    rows = env.cr.dictfetchall()
    account = rows[0]
    rules = make_rules(env, context.people, account["account_company_id"], account["settings"])
    tasks = [(row["task_id"], _pick(TaskRules, row)) for row in rows if row["task_id"]]
    measuring = make_measuring_rules(account["measuring"])
    limited = {row["sender_id"] for row in rows if row["is_limited"]}
    return Turn(_pick(Capacity, account), rules, measuring, account["at"], tasks, limited)


def _select_turn(env, context):
    """Return SQL of the rows of `read_turn`."""
    return SQL(
        """SELECT capacity.*, statement_timestamp() AT TIME ZONE 'UTC' AS at,
                  a.company_id AS account_company_id, %(settings)s AS settings,
                  %(measuring)s AS measuring, task.*
             FROM directmail_account a
            CROSS JOIN LATERAL (%(capacity)s) AS capacity
             LEFT JOIN LATERAL (
                  SELECT t.id AS task_id, t.company_id, t.sender_id,
                         COALESCE(t.is_notification, FALSE)
                         OR COALESCE(t.ignore_fatigue, FALSE) AS is_free,
                         t.not_after, a.tz AS zone,
                         ARRAY(SELECT mailing_list_id FROM directmail_task_mailing_list_rel
                                WHERE directmail_task_id = t.id ORDER BY mailing_list_id)
                             AS lists,
                         t.address_form = 'encrypted' AS is_encrypted,
                         (SELECT k.reference FROM directmail_aes_key k
                           WHERE k.company_id = t.company_id) AS aes_reference,
                         EXISTS (SELECT FROM directmail_delivery d
                                  WHERE d.task_id = t.id AND d.partner_id IS NULL)
                             AS has_records,
                         ARRAY(SELECT directmail_audience_id
                                 FROM directmail_task_exclude_audience_rel
                                WHERE directmail_task_id = t.id) AS except_ids,
                         NULLIF(t.family_content_id, 0) AS content_id,
                         %(control)s AS control, %(mailing)s AS mailing,
                         %(wishes)s AS wishes, %(exits)s AS exits,
                         %(hours)s AS hours,
                         (SELECT jsonb_object_agg(letter, family_content_id)
                            FROM directmail_task_version
                           WHERE task_id = t.id AND family_content_id > 0)
                             AS version_contents,
                         COALESCE(s.warmup_on, FALSE) OR COALESCE(s.is_braked, FALSE)
                             AS is_limited,
                         row_number() OVER (
                             ORDER BY t.priority DESC, t.planned_at, t.id) AS place
                    FROM directmail_task t LEFT JOIN directmail_sender s ON s.id = t.sender_id
                   WHERE t.account_id = a.id AND t.state = 'sending'
                     -- A thousand steps of series may be sending, and nobody wait at most.
                     AND (t.series_step_id IS NULL OR EXISTS (
                          SELECT FROM directmail_delivery d
                           WHERE d.task_id = t.id AND d.state = 'waiting'))
                  ) AS task ON TRUE
            WHERE a.id = %(account)s
            ORDER BY task.place""",
        settings=select_settings(SQL("a.company_id")),
        measuring=select_rules(SQL("a.company_id")),
        control=select_groups(SQL("t")),
        mailing=select_purpose(SQL("t")),
        wishes=select_wishes(SQL("t")),
        exits=select_exits(SQL("t.series_step_id")),
        hours=select_hours(SQL("t.series_step_id")),
        capacity=_select_capacity(env, context),
        account=context.account_id,
    )


def _pick(kind, row):
    """Return a named tuple of a kind, with the values of a row (a dict) of the same names."""
    return kind(**{name: row[name] for name in kind._fields})
