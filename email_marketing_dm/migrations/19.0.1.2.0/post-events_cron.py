def migrate(cr, version):
    """The events' job is triggered by what comes in; an interval that somebody chose stays."""
    cr.execute(
        """UPDATE ir_cron SET interval_number = 10
            WHERE interval_number = 1 AND interval_type = 'minutes'
              AND id = (SELECT res_id FROM ir_model_data WHERE module = 'email_marketing_dm'
                           AND name = 'ir_cron_directmail_events')"""
    )
