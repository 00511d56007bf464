def migrate(cr, version):
    """DirectMail's cursors may contain addresses and are sealed now: begin those windows anew."""
    cr.execute(
        """UPDATE directmail_poll SET position = NULL, "end" = NULL, rows_read = 0
            WHERE position IS NOT NULL"""
    )
