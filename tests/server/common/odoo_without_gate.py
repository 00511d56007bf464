"""Odoo, with the gate of claims taken out: run as a module, for a counter-proof."""

from odoo.cli.command import main
from odoo.modules import loading
from odoo.tools import SQL

load = loading.load_openerp_module


def load_and_open(name):
    """Load an addon; in ours, claims no longer wait for one another."""
    load(name)
    if name == "email_marketing_dm":
        from odoo.addons.email_marketing_dm.engine import claim

        claim.GATE = SQL("SELECT 1;")


loading.load_openerp_module = load_and_open
main()
