"""How long the composition of an audience takes, as a ratio to hand-written SQL.

An audience of half of the contacts, counted by country, language, kind, salesperson, tags, age,
last purchase and engagement; alone, and compared with all contacts, which is what the page asks
for. By hand the same is counted by one statement, and one for the tags, without anybody's rights.

    python -m benchmarks.composition_vs_sql         (SCALE=100000: contacts, with three orders each)
"""

import statistics
import sys
import time

from ._figures import alternate, report, scale, spread
from ._people import ORDERS, PEOPLE, environment, people_database, vacuum

GOAL = 2
#: a tag for every third contact, and deliveries of these days for every tenth
EXTRA = (
    'INSERT INTO res_partner_category (name, active) VALUES (\'{"en_US": "Third"}\', TRUE)',
    """INSERT INTO res_partner_res_partner_category_rel (partner_id, category_id)
       SELECT id, (SELECT max(id) FROM res_partner_category) FROM res_partner
        WHERE mod(id, 3) = 0""",
    """UPDATE directmail_delivery SET claimed_at = now() AT TIME ZONE 'UTC' - interval '3 days',
              opened_at = CASE WHEN mod(id, 4) = 0 THEN now() AT TIME ZONE 'UTC' END""",
)
CONTACTS = """
    SELECT p.id, {side} AS side, p.country_id, p.lang, p.is_company, p.user_id,
           width_bucket(extract(day FROM now() - p.create_date), ARRAY[30, 90, 365]) AS age,
           bought.span, mailed.level
      FROM res_partner p {join} directmail_audience_member m
        ON m.partner_id = p.id AND m.audience_id = %(audience)s
      LEFT JOIN (SELECT partner_id, width_bucket(extract(day FROM now() - max(date_order)),
                                                 ARRAY[30, 90, 365]) AS span
                   FROM sale_order WHERE state = 'sale' AND company_id = 1 GROUP BY partner_id
                ) bought ON bought.partner_id = p.id
      LEFT JOIN (SELECT partner_id, max(CASE WHEN clicked_at IS NOT NULL THEN 3
                                             WHEN opened_at IS NOT NULL THEN 2 ELSE 1 END) AS level
                   FROM directmail_delivery
                  WHERE company_id = 1 AND state = 'sent'
                    AND claimed_at >= now() AT TIME ZONE 'UTC' - interval '90 days'
                  GROUP BY partner_id) mailed ON mailed.partner_id = p.id
     WHERE p.active AND (p.company_id = 1 OR p.company_id IS NULL)
"""
BY_HAND = """
    SELECT side, country_id, lang, is_company, user_id, age, span, level, count(*)
      FROM ({contacts}) c
     GROUP BY GROUPING SETS ((side, country_id), (side, lang), (side, is_company), (side, user_id),
                             (side, age), (side, span), (side, level))
"""
TAGS_BY_HAND = """
    SELECT {side} AS side, r.category_id, count(*)
      FROM res_partner p {join} directmail_audience_member m
        ON m.partner_id = p.id AND m.audience_id = %(audience)s
      LEFT JOIN res_partner_res_partner_category_rel r ON r.partner_id = p.id
     WHERE p.active AND (p.company_id = 1 OR p.company_id IS NULL) GROUP BY 1, 2
"""
SIDES = {
    "composition": {"side": "1", "join": "JOIN"},
    "differences": {"side": "(m.id IS NULL)::int", "join": "LEFT JOIN"},
}


def main():
    people = scale(PEOPLE)
    with people_database(people, ORDERS) as name, environment(name) as env:
        audience = prepare(env, name)
        ratios, notes = {}, []
        for method, sides in SIDES.items():
            ask = getattr(audience, f"get_{method}")
            counted, by_hand = alternate(
                lambda ask=ask: timed(env, ask),
                lambda sides=sides: timed(env, lambda: count_by_hand(env, audience.id, sides)),
                minutes=5 / 6,
            )
            ratios[method] = statistics.median(counted) / statistics.median(by_hand)
            notes.append(
                f"{method}: ratio {ratios[method]:.2f}, the page {spread(counted, 2)} s, by hand"
                f" {spread(by_hand, 2)} s"
            )
    worst = max(ratios, key=ratios.get)
    return report(
        "composition_vs_sql", ratios[worst], "<=", GOAL,
        f"{people:,} contacts, {people * ORDERS:,} orders; the higher ratio, that of {worst}",
        *notes,
    )  # fmt: skip


def prepare(env, name):
    """Make an audience of every second country. :return: it, as its owner"""
    from ._audiences import make_audience, make_owner, make_task

    owner = make_owner(env)
    countries = env["res.country"].search([], order="id", limit=20).ids
    domain = repr([("country_id", "in", countries)])
    audience = make_audience(env, owner, "Half", [{"domain": domain}])
    audience._refresh()
    make_task(env, owner)
    for statement in EXTRA:
        env.cr.execute(statement)
    env.cr.commit()
    vacuum(name, "directmail_audience_member", "directmail_delivery", "res_partner")
    return audience.with_user(owner)


def count_by_hand(env, audience, sides):
    from odoo.addons.email_marketing_dm.engine.sql import prepare_for_many

    prepare_for_many(env)
    contacts = CONTACTS.format(**sides)
    for statement in (BY_HAND.format(contacts=contacts), TAGS_BY_HAND.format(**sides)):
        env.cr.execute(statement, {"audience": audience})
        env.cr.fetchall()


def timed(env, action):
    """Return the seconds that an action takes."""
    begin = time.perf_counter()
    found = action()
    seconds = time.perf_counter() - begin
    if found and "error" in found:
        raise SystemExit(found["error"])
    env.cr.rollback()
    env.invalidate_all()
    return seconds


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
