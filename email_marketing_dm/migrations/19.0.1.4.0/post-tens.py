from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Tell figures of email tasks in tens that have started, as those that start from now on."""
    # Opt-outs and limits of encrypted people tell of a list of guesses who is one of them.
    cr.execute(
        """UPDATE directmail_task SET in_tens = TRUE
            WHERE planned_at IS NOT NULL AND in_tens IS NOT TRUE
              AND company_id IN (SELECT company_id FROM directmail_aes_key)"""
    )
    # What the lists were at the time is not known any more: any secret number will do.
    cr.execute(
        """UPDATE directmail_task SET tens_mark = floor(random() * 268435456)::int
            WHERE in_tens AND tens_mark IS NULL"""
    )
    env = api.Environment(cr, SUPERUSER_ID, {})
    rule = env.ref("email_marketing_dm.directmail_task_counter_rule_user", raise_if_not_found=False)
    if rule:
        rule.domain_force = (
            "[('task_id.user_id', '=', user.id), '|', ('task_id.in_tens', '=', False),"
            " ('name', 'not in', ('suppressed', 'waiting', 'sending', 'cancelled'))]"
        )
