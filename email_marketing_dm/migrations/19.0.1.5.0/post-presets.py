#: {preset: its filter from this version on}
DOMAINS = {
    "courses": "[('member_status', '!=', 'invited')]",
    "repairs": "[('state', '!=', 'cancel')]",
}


def migrate(cr, version):
    """Leave out people who were only invited to a course, and cancelled repairs."""
    for preset, domain in DOMAINS.items():
        cr.execute(
            "UPDATE directmail_data_table SET domain = %s WHERE preset = %s", [domain, preset]
        )
