"""The links of two templates are checked at once, and only one check fits into the hour."""

import threading

from tests.server.common.odoo_server import RpcError, open_connection, wait_until
from tests.server.common.shop import PASSWORD

PAGES_PER_HOUR = 1_000  # as in `directmail_template_page.py`
#: the port is unusual, so that nobody opens the page; it counts all the same
LINK = '<p><a href="https://shop.example:8443/">Our shop</a></p>'
MODEL = "directmail.template"


def test_two_checks_at_once_do_not_pass_the_limit(shop):
    templates = [
        shop.user.call(
            MODEL,
            "create",
            [
                {
                    "name": name,
                    "account_id": shop.account,
                    "subject": "Our shop",
                    "sender_name": "Azure",
                    "body_arch": LINK,
                    "body_html": LINK,
                }
            ],
        )  # fmt: skip
        for name in ("First", "Second")
    ]
    shop.server.query(
        """INSERT INTO directmail_template_page (company_id, url, answer, asked_at)
           SELECT company_id, 'https://shop.example/' || n, 'ok', now() AT TIME ZONE 'UTC'
             FROM directmail_account, generate_series(1, %s) n
            WHERE id = %s""",
        PAGES_PER_HOUR - 1,
        shop.account,
    )
    answers = check_at_once(shop, templates)
    assert sorted(answer for answer in answers if answer == "checked") == ["checked"], answers
    [(opened,)] = shop.server.query("SELECT count(*) FROM directmail_template_page")
    assert opened == PAGES_PER_HOUR


def check_at_once(shop, templates):
    """Have each template's links checked by a session of its own; return what each of them says.

    None of them can store its pages before all of them have counted, or wait for one that has.
    """
    answers = []

    def check(session, template):
        try:
            session.call(MODEL, "check_links", [[template]])
            answers.append("checked")
        except RpcError as error:
            answers.append(str(error))

    sessions = [shop.server.login("dm_user", PASSWORD) for _template in templates]
    for session in sessions:
        session.call(MODEL, "search_count", [[]])
    threads = [
        threading.Thread(target=check, args=pair) for pair in zip(sessions, templates, strict=True)
    ]
    connection = open_connection(shop.server.database)
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE directmail_template_page IN SHARE MODE")
            for thread in threads:
                thread.start()
            waiting = """SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
                          WHERE NOT granted AND datname = current_database()"""
            wait_until(lambda: shop.server.query(waiting) == [(len(templates),)])
    finally:
        connection.close()
    for thread in threads:
        thread.join(120)
    return answers
