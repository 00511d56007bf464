from odoo.tools.sql import column_exists


def migrate(cr, version):
    """Move the countries of each topic that had a rule of their own into a rule of the topic.

    Odoo drops the old column later in the same upgrade, but not the old table.
    """
    if not column_exists(cr, "directmail_purpose", "strict_rule"):
        return  # Versions before 19.0.1.10.0 had no topics.
    cr.execute(
        """WITH moved AS (
               INSERT INTO directmail_purpose_rule (purpose_id, rule, create_uid, create_date,
                      write_uid, write_date)
               SELECT p.id, p.strict_rule, 1, now() AT TIME ZONE 'UTC', 1,
                      now() AT TIME ZONE 'UTC'
                 FROM directmail_purpose p
                WHERE EXISTS (SELECT FROM directmail_purpose_res_country_rel c
                               WHERE c.directmail_purpose_id = p.id)
            RETURNING id, purpose_id
           )
           INSERT INTO directmail_purpose_rule_res_country_rel
                  (directmail_purpose_rule_id, res_country_id)
           SELECT moved.id, c.res_country_id
             FROM moved JOIN directmail_purpose_res_country_rel c
               ON c.directmail_purpose_id = moved.purpose_id"""
    )
    cr.execute("DROP TABLE directmail_purpose_res_country_rel")
