from odoo.tools.sql import column_exists


def migrate(cr, version):
    """Facts speak of a delivery; before, of a task and an address key. May be run again."""
    if column_exists(cr, "directmail_event", "outcome"):
        _convert_events(cr)
    if not column_exists(cr, "directmail_optout", "occurred_at"):
        cr.execute("ALTER TABLE directmail_optout ADD COLUMN occurred_at timestamp")
        cr.execute("UPDATE directmail_optout SET occurred_at = create_date")


def _convert_events(cr):
    cr.execute("ALTER TABLE directmail_event RENAME COLUMN outcome TO kind")
    cr.execute(
        """ALTER TABLE directmail_event
             ADD COLUMN delivery_id int4, ADD COLUMN company_id int4, ADD COLUMN account_id int4,
             ADD COLUMN source varchar,
             ALTER COLUMN address_key DROP NOT NULL"""
    )
    cr.execute(
        """UPDATE directmail_event e
              SET source = 'poll', company_id = t.company_id, account_id = t.account_id,
                  delivery_id = d.id,
                  address_key = CASE WHEN d.id IS NULL THEN e.address_key END
             FROM directmail_task t
             LEFT JOIN LATERAL (SELECT id, address_key FROM directmail_delivery
                                 WHERE task_id = t.id AND state != 'suppressed') d ON TRUE
            WHERE t.id = e.task_id AND d.address_key = e.address_key"""
    )
    cr.execute(
        """UPDATE directmail_event e
              SET source = 'poll', company_id = t.company_id, account_id = t.account_id
             FROM directmail_task t WHERE t.id = e.task_id AND e.source IS NULL"""
    )
    cr.execute("ALTER TABLE directmail_event DROP COLUMN task_id")
    cr.execute(
        """UPDATE ir_rule SET domain_force = '[(''company_id'', ''in'', company_ids)]'
            WHERE id = (SELECT res_id FROM ir_model_data WHERE module = 'email_marketing_dm'
                           AND name = 'directmail_event_rule_company')"""
    )
