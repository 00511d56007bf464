from odoo.modules.module import load_script

SCRIPTS = ("pre-events", "pre-deliveries")


def migrate(cr, version):
    """Bring any 19.0.1.1.0 to its last shape: there were several, and Odoo ran scripts for one.

    The scripts of 19.0.1.1.0 look at what is there and may be run again.
    """
    for name in SCRIPTS:
        path = f"email_marketing_dm/migrations/19.0.1.1.0/{name}.py"
        load_script(path, name.replace("-", "_")).migrate(cr, version)
