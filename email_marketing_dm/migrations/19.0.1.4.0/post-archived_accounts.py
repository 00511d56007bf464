def migrate(cr, version):
    """Deactivate archived accounts: from now on archiving one does."""
    cr.execute(
        """UPDATE directmail_account SET state = 'draft', state_message = NULL
            WHERE active IS NOT TRUE AND state = 'active'"""
    )
