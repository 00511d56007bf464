from urllib.parse import urlsplit

from odoo.addons.email_marketing_dm.directmail import endpoints


def migrate(cr, version):
    """An endpoint no longer means a test: DirectMail's own hosts are real.

    What each account talks to stays the same.
    """
    cr.execute("ALTER TABLE directmail_account ADD COLUMN connection varchar DEFAULT 'public'")
    cr.execute("ALTER TABLE directmail_account ALTER COLUMN connection DROP DEFAULT")
    cr.execute("UPDATE directmail_account SET endpoint = NULL WHERE trim(endpoint) = ''")
    cr.execute("SELECT id, endpoint, region FROM directmail_account WHERE endpoint IS NOT NULL")
    for account, endpoint, region in cr.fetchall():
        connection, region, endpoint = _settle(endpoint, region)
        cr.execute(
            """UPDATE directmail_account SET connection = %s, region = %s, endpoint = %s
                WHERE id = %s""",
            [connection, region, endpoint, account],
        )


def _settle(endpoint, region):
    """Return (connection, region, endpoint) that mean what ``endpoint`` meant."""
    try:
        _netloc, protocol, host = endpoints.read_endpoint(endpoint)
    except ValueError:
        # A path used to be left out silently.
        text = endpoint.strip()
        parts = urlsplit(text if "//" in text else f"//{text}")
        return "test", region, f"{parts.scheme}://{parts.netloc}" if parts.scheme else parts.netloc
    found = endpoints.find_endpoint(host)
    if found and protocol == "https":
        return *found, None
    return "public" if endpoints.is_directmail(host) else "test", region, endpoint
