from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Lists get *Add to audience* with a model's first data table; older tables had none yet."""
    cr.execute(
        """SELECT FROM ir_model_data
            WHERE module = 'email_marketing_dm' AND name LIKE 'audience\\_existing\\_%' LIMIT 1"""
    )
    if not cr.rowcount:
        tables = api.Environment(cr, SUPERUSER_ID, {})["directmail.data.table"]
        models = tables.search([("model_name", "in", list(tables.pool))]).model_id
        tables._make_actions(models)
