"""A database with many contacts and their orders, for the benchmarks that look at people.

Rows are written by SQL, without triggers: a million contacts and three million orders take a
minute or two. The same rows every time.
"""

import contextlib

from psycopg2 import sql

from devenv import database
from devenv.common import STATE

PEOPLE = 1_000_000
#: orders per contact
ORDERS = 3
COUNTRIES = 40
#: days of orders before today, and after it: the coming days that a benchmark can step into
PAST, COMING = 730, 14

CONTACTS = """
    INSERT INTO res_partner (name, complete_name, active, type, partner_share, is_company, lang,
                             email, email_normalized, country_id, city, commercial_partner_id,
                             autopost_bills, company_id, create_date, write_date)
    SELECT 'Person ' || n, 'Person ' || n, n %% 50 != 0, 'contact', true, n %% 20 = 0, 'en_US',
           CASE WHEN n %% 12 != 0 THEN 'person' || n || '@example.com' END,
           CASE WHEN n %% 12 != 0 THEN 'person' || n || '@example.com' END,
           countries.ids[1 + n %% %(countries)s], 'City ' || n %% 997, %(base)s + n, 'ask', NULL,
           now() - n * interval '1 minute', now()
      FROM generate_series(1, %(people)s) n,
           (SELECT array_agg(id ORDER BY id) AS ids FROM res_country) countries
     ORDER BY n
"""
# Few people buy often: the square of an even chance.
ORDERS_OF_CONTACTS = """
    INSERT INTO sale_order (name, state, company_id, partner_id, partner_invoice_id,
                            partner_shipping_id, date_order, currency_id, currency_rate,
                            amount_untaxed, amount_total, user_id, create_date, write_date)
    SELECT 'B' || n, CASE WHEN n %% 10 = 0 THEN 'draft' ELSE 'sale' END, 1, buyer, buyer, buyer,
           (now() AT TIME ZONE 'UTC')::date + make_interval(days => %(coming)s)
           - chance * make_interval(days => %(past)s + %(coming)s), currency, 1,
           amount, amount, NULL, now(), now()
      FROM (SELECT n, %(base)s + 1 + floor(%(people)s * power(random(), 2))::int AS buyer,
                   random() AS chance, round((5 - 120 * ln(1 - random()))::numeric, 2) AS amount
              FROM generate_series(1, %(orders)s) n) orders,
           (SELECT currency_id AS currency FROM res_company WHERE id = 1) company
"""


@contextlib.contextmanager
def people_database(people=PEOPLE, orders_per_person=ORDERS):
    """Give a database of its own with so many contacts and orders, dropped at the end.

    :return: a context manager giving the database's name
    """
    with database.temporary("bench") as name:
        fill(name, people, people * orders_per_person)
        yield name


def fill(name, people, orders):
    """Write contacts, every fiftieth archived, and orders, every tenth a draft."""
    with database.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SELECT setseed(0.42)")
        cursor.execute("SELECT max(id) + 1000 FROM res_partner")
        values = {
            "base": cursor.fetchone()[0],
            "people": people,
            "orders": orders,
            "countries": COUNTRIES,
            "past": PAST,
            "coming": COMING,
        }
        cursor.execute("SELECT setval('res_partner_id_seq', %(base)s)", values)
        cursor.execute(CONTACTS, values)
        cursor.execute(ORDERS_OF_CONTACTS, values)
    vacuum(name, "res_partner", "sale_order")


@contextlib.contextmanager
def environment(name):
    """Give an Odoo environment with all rights on a database, in this process."""
    import odoo
    from odoo.modules.registry import Registry
    from odoo.tools import config

    options = ["-c", str(STATE / "odoo.conf"), "-d", name, "--log-level=warn", "--no-http"]
    config.parse_config(options, setup_logging=True)
    with Registry(name).cursor() as cr:
        yield odoo.api.Environment(cr, odoo.SUPERUSER_ID, {})


def vacuum(name, *tables):
    """Clean up what deleted rows have left, so that no run pays for the one before."""
    with database.connect(name) as connection, connection.cursor() as cursor:
        for table in tables:
            cursor.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
