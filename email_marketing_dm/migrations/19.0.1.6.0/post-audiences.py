def migrate(cr, version):
    """Mark audiences with a line that changed after the last refresh."""
    cr.execute(
        """UPDATE directmail_audience a SET lines_changed = TRUE
            WHERE EXISTS (SELECT FROM directmail_audience_line l
                           WHERE l.audience_id = a.id AND l.write_date >= a.refreshed_at)"""
    )
