def migrate(cr, version):
    """Record opt-outs of before 19.0.1.10.0 as withdrawals of the consent to all mail.

    Dated as the opt-outs, so that an agreement which is younger still counts.
    """
    cr.execute(
        """INSERT INTO directmail_consent (company_id, address_key, email, email_encrypted,
                  partner_id, purpose, answer, recorded_at, origin)
           SELECT o.company_id, o.address_key, o.email, o.email_encrypted, o.partner_id,
                  'mailing', 'withdrawn', date_trunc('second', o.occurred_at), o.origin
             FROM directmail_optout o
            WHERE o.sender_id IS NULL AND o.occurred_at IS NOT NULL
              AND o.origin IN ('one_click', 'page', 'directmail', 'complaint')
              AND NOT EXISTS (
                  SELECT FROM directmail_consent c
                   WHERE c.company_id = o.company_id AND c.purpose = 'mailing'
                     AND c.purpose_id IS NULL AND c.address_key = o.address_key)
            ORDER BY o.id"""
    )
