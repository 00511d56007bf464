from odoo.modules.module import load_script

SCRIPTS = ("post-audience_lines", "post-events")


def migrate(cr, version):
    """See `pre-any_1_1_0`."""
    for name in SCRIPTS:
        path = f"email_marketing_dm/migrations/19.0.1.1.0/{name}.py"
        load_script(path, name.replace("-", "_")).migrate(cr, version)
