def migrate(cr, version):
    """A delivery's account and company are the task's, whose foreign keys do."""
    cr.execute(
        """ALTER TABLE directmail_delivery
            DROP CONSTRAINT IF EXISTS directmail_delivery_account_id_fkey,
            DROP CONSTRAINT IF EXISTS directmail_delivery_company_id_fkey"""
    )
