def migrate(cr, version):
    """Tell whose people the email tasks reach that have started, as the plan does from now on."""
    # A colleague's audience may hold people whom the task's owner may not see.
    cr.execute(
        """UPDATE directmail_task t SET in_tens = TRUE
            WHERE planned_at IS NOT NULL AND (
                  address_form = 'encrypted'
                  OR EXISTS (
                      SELECT FROM (
                          SELECT directmail_task_id, directmail_audience_id
                            FROM directmail_audience_directmail_task_rel
                           UNION ALL
                          SELECT directmail_task_id, directmail_audience_id
                            FROM directmail_task_exclude_audience_rel) used
                        JOIN directmail_audience a ON a.id = used.directmail_audience_id
                       WHERE used.directmail_task_id = t.id AND a.user_id != t.user_id)
                  OR EXISTS (
                      SELECT FROM directmail_delivery d
                       WHERE d.task_id = t.id AND d.partner_id IS NULL
                         AND d.email_encrypted IS NOT NULL))"""
    )
    # Where the audiences had several owners, it can't be told any more whose an address was:
    # administrators see it.
    cr.execute(
        """UPDATE directmail_delivery d SET lender_id = lender.user_id
             FROM (SELECT r.directmail_task_id AS task_id, min(a.user_id) AS user_id
                     FROM directmail_audience_directmail_task_rel r
                     JOIN directmail_audience a ON a.id = r.directmail_audience_id
                    GROUP BY r.directmail_task_id HAVING count(DISTINCT a.user_id) = 1) lender
            WHERE d.task_id = lender.task_id AND d.partner_id IS NULL
              AND d.lender_id IS NULL"""
    )
