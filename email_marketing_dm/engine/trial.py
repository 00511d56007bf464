"""The one mechanism by which the simulated results of a trial have no effect on people."""

from odoo.tools import SQL

from ..directmail.endpoints import TRIAL


def is_real(account):
    """Return SQL that tells whether an account is not a trial.

    Every statement that makes, revokes or counts something about a person from facts or deliveries
    has this condition: opt-outs, blacklist, bounces, conversions, clicks of Odoo's link tracker.
    Deliveries of a trial are also `uncounted`, so that fatigue control ignores them.

    :param SQL account: id of a `directmail.account`, may be null
    :rtype: SQL
    """
    return SQL(
        """NOT EXISTS (SELECT FROM directmail_account trial
                        WHERE trial.id = %s AND trial.connection = %s)""",
        account,
        TRIAL,
    )
