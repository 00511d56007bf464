def migrate(cr, version):
    """The company of a person in a series is that of the series; its steps are never deleted."""
    cr.execute(
        """ALTER TABLE IF EXISTS directmail_series_entry
            DROP CONSTRAINT IF EXISTS directmail_series_entry_company_id_fkey,
            DROP CONSTRAINT IF EXISTS directmail_series_entry_step_id_fkey"""
    )
