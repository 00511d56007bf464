def migrate(cr, version):
    """Mark audiences that changed after the last refresh, by the test of the versions before.

    A line that was deleted shows in the date of the audience, which a refresh writes too.
    """
    cr.execute(
        """UPDATE directmail_audience a SET lines_changed = TRUE
            WHERE a.write_date > a.refreshed_at + interval '1 second'
               OR EXISTS (SELECT FROM directmail_audience_line l
                           WHERE l.audience_id = a.id AND l.write_date >= a.refreshed_at)"""
    )
