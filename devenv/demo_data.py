"""Who is in the demo's database: ``python -m devenv.demo_data DATABASE ADDRESS-OF-ODOO``.

Writes through Odoo's own models and prints, as its last line, what it made in JSON: how many people
there are, how many of them must be held back and why, and how many mails will not arrive. The demo
compares the product's figures with these, which come from nowhere else.

The same people every time: chance is seeded.
"""

import argparse
import json
import random
import sys
import unicodedata
import uuid
from collections import Counter
from datetime import datetime, timedelta, timezone

from . import demo_names as names

NEWSLETTER = "Newsletter"
LANGUAGES = ("de_DE", "fr_FR", "zh_CN")  # beside en_US, which every database has
#: crons that would call servers on the internet; the demo speaks to nobody outside
CALLING_HOME = (
    "crm_iap_enrich.ir_cron_lead_enrichment",
    "mail.ir_cron_module_update_notification",
)
PEOPLE = 2_200  # who asked for the newsletter
OTHERS = 140  # who did not
COMPANIES = 60
BUYERS = 90
QUOTATIONS = 30  # how many of their orders are not confirmed
PASSWORD = "marketing"
MOVEMENT_DAYS = 30  # over which customers move between types and stages

#: why the product must hold people back -> how many there are
HELD_BACK = {
    "no_address": 64,
    "invalid_address": 28,
    "duplicate": 46,
    "blacklisted": 38,
    "opted_out": 17,
}
#: how the emulator treats an address -> (start of the address, outcome, how many)
TREATED = {
    "bounce": ("invalid", 31),
    "fail": ("failed", 14),
    "spam": ("spam", 9),
    "soft": ("delivered", 22),
    "open": ("delivered", 160),
    "click": ("delivered", 48),
    "unsub": ("delivered", 6),
}
UNUSABLE = (
    "ask at the shop",
    "{name}@",
    "@{name}.example.com",
    "{name} at example.com",
    "jürgen.{name}@example.com",
    "{name}@tea..example.com",
    "{name}.example.com",
)
DUPLICATED = ("{email}", "{upper}", '"Tea orders" <{email}>', " {email} ")


def make_people(chance):
    """Return the values of everybody who asked for the newsletter.

    :param random.Random chance: a seeded source
    :return: (list of dicts for `res.partner`, {reason: [address]})
    """
    fates = [
        fate for fate, number in HELD_BACK.items() if fate != "duplicate" for _n in range(number)
    ]
    fates += [fate for fate, (_outcome, number) in TREATED.items() for _n in range(number)]
    fates += ["plain"] * (PEOPLE - len(fates) - HELD_BACK["duplicate"])
    chance.shuffle(fates)
    people, taken, by_fate = [], set(), {}
    for number, fate in enumerate(fates):
        locale = chance.choices(names.LOCALES, [locale.share for locale in names.LOCALES])[0]
        name, spelling = names.person(chance, locale)
        if fate == "plain" and number % 71 == 0:
            name = names.UNUSUAL[number // 71 % len(names.UNUSUAL)]
        values = place(chance, locale)
        values.update(name=name, email=address(chance, fate, spelling, locale, taken))
        people.append(values)
        by_fate.setdefault(fate, []).append(values["email"])
    # Twins come after the one whose address they share, so the first keeps the mail.
    originals = [values for values, fate in zip(people, fates, strict=True) if fate == "plain"]
    for number, original in enumerate(chance.sample(originals, HELD_BACK["duplicate"])):
        typed = DUPLICATED[number % len(DUPLICATED)].format(
            email=original["email"], upper=original["email"].upper()
        )
        people.append({**original, "email": typed})
    return people, by_fate


def place(chance, locale):
    """Return language, country code and city of somebody."""
    country, cities = chance.choice(list(locale.countries.items()))
    return {"lang": locale.lang, "country": country, "city": chance.choice(cities)}


def address(chance, fate, spelling, locale, taken):
    """Return an address that nobody has yet, or what somebody typed instead of one."""
    if fate == "no_address":
        return False
    plain = ascii_letters(spelling)
    if fate == "invalid_address":
        return chance.choice(UNUSABLE).format(name=plain)
    local = f"{fate}.{plain}" if fate in TREATED else plain
    host = chance.choice(locale.hosts)
    number, found = 1, f"{local}@{host}"
    while found in taken:
        number += 1
        found = f"{local}{number}@{host}"
    taken.add(found)
    return found


def ascii_letters(text):
    """Return a name as it stands in an address: "Jörg O'Neill" becomes "joerg.oneill"."""
    for letter, written in names.WRITTEN.items():
        text = text.replace(letter, written)
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return ".".join("".join(filter(str.isalnum, word)) for word in plain.split())


class Seeder:
    """Writes the demo's records.

    :param env: an Odoo environment with all rights
    :param base_url: where this Odoo will answer
    """

    def __init__(self, env, base_url):
        # No note "Contact created" on each of two thousand contacts.
        self.env = env(
            context={
                "tracking_disable": True,
                "mail_create_nosubscribe": True,
                "mail_notrack": True,
                "no_reset_password": True,
            }
        )
        self.base_url = base_url
        self.chance = random.Random(2026)

    def seed(self):
        """Write everything; return what the demo compares the product's figures with."""
        self.set_up_database()
        self.install_languages()
        self.set_up_company()
        self.make_users()
        people, by_fate = make_people(self.chance)
        companies = self.make_companies()
        reader = self.env["res.partner.category"].create({"name": NEWSLETTER})
        partners = self.create_partners(
            [{**values, "category_id": [(4, reader.id)]} for values in people], companies
        )
        locale = names.LOCALES[0]
        others = [
            {**place(self.chance, locale), "name": names.person(self.chance, locale)[0]}
            for _n in range(OTHERS)
        ]
        self.create_partners(others, companies)
        self.hold_back(partners, by_fate)
        self.make_orders(partners)
        self.make_leads(partners)
        self.make_models()
        outcomes = Counter(delivered=len(by_fate["plain"]))
        for outcome, number in TREATED.values():
            outcomes[outcome] += number
        return {
            "contacts": self.env["res.partner"].search_count([]),
            "audience": len(people),
            "suppressed": HELD_BACK,
            "outcomes": dict(outcomes),
            "unsubscribe": TREATED["unsub"][1],
            "countries": len({values["country"] for values in people}),
            "languages": len({values["lang"] for values in people}),
        }

    def set_up_database(self):
        parameters = self.env["ir.config_parameter"]
        # A copy has the UUID of what it was copied from, and DirectMail tags are made of it.
        parameters.set_param("database.uuid", str(uuid.uuid4()))
        parameters.set_param("web.base.url", self.base_url)
        # Otherwise the first login from elsewhere changes it, and with it every link in a mail.
        parameters.set_param("web.base.url.freeze", "True")
        # The emulator's people open a mail the moment it comes, which nobody else does.
        parameters.set_param("email_marketing_dm.machine_seconds", "0")
        for name in CALLING_HOME:
            cron = self.env.ref(name, raise_if_not_found=False)
            if cron:
                cron.active = False

    def install_languages(self):
        languages = self.env["res.lang"].with_context(active_test=False)
        found = languages.search([("code", "in", LANGUAGES)])
        self.env["base.language.install"].create({"lang_ids": [(6, 0, found.ids)]}).lang_install()

    def set_up_company(self):
        self.env.company.write(
            {
                "name": "Northlight Tea",
                "street": "17 Keong Saik Road",
                "zip": "089122",
                "city": "Singapore",
                "country_id": self.country("SG"),
                "email": "hello@tea.example.com",
            }
        )

    def make_users(self):
        self.env.ref("base.user_admin").write(
            {
                "lang": "en_US",
                "tz": "Asia/Singapore",
                "notification_type": "inbox",
            }
        )
        self.env["res.users"].create(
            {
                "name": "Mei Marketing",
                "login": "marketing",
                "password": PASSWORD,
                "email": "mei@tea.example.com",
                "lang": "en_US",
                "tz": "Asia/Singapore",
                "notification_type": "inbox",
                "group_ids": [
                    (
                        6,
                        0,
                        [
                            self.env.ref("base.group_user").id,
                            self.env.ref("email_marketing_dm.group_user").id,
                        ],
                    )
                ],
            }
        )

    def country(self, code):
        return self.env["res.country"].search([("code", "=", code)]).id

    def make_companies(self):
        values = []
        for number in range(COMPANIES):
            locale = names.LOCALES[number % len(names.LOCALES)]
            family = names.person(self.chance, locale)[1].split()[-1]
            name = locale.company.format(family.title())
            values.append(
                {
                    **place(self.chance, locale),
                    "name": name,
                    "is_company": True,
                    "email": f"office{number}@{ascii_letters(family)}.example.com",
                }
            )
        return self.create_partners(values)

    def create_partners(self, values, companies=None):
        """Create contacts; about every eighth works for one of the companies."""
        countries = {code: self.country(code) for code in {row["country"] for row in values}}
        rows = []
        for row in values:
            row = {**row, "country_id": countries[row["country"]]}
            row.pop("country")
            if companies and self.chance.random() < 0.12:
                row["parent_id"] = self.chance.choice(companies.ids)
                row["type"] = "other"  # one of type "contact" would move to the company's address
            rows.append(row)
        return self.env["res.partner"].create(rows)

    def hold_back(self, partners, by_fate):
        # Here, because demo.py reads this module without Odoo.
        from odoo.addons.email_marketing_dm.privacy.address import normalise

        self.env["mail.blacklist"].create([{"email": email} for email in by_fate["blacklisted"]])
        key = self.env["directmail.keyring"]._get_master_key()
        by_email = {partner.email: partner for partner in partners}
        self.env["directmail.optout"].create(
            [
                {
                    "company_id": self.env.company.id,
                    "address_key": key.address_key(normalise(email)),
                    "email": normalise(email),
                    "partner_id": by_email[email].id,
                    "origin": "page",
                }
                for email in by_fate["opted_out"]
            ]
        )

    def make_orders(self, partners):
        teas = self.env["product.product"].create(
            [
                {"name": name, "list_price": price, "type": "consu"}
                for name, price in (
                    ("Dragon Well 龙井 50 g", 14.0),
                    ("First Flush Darjeeling 100 g", 16.5),
                    ("Verveine du Jardin 40 g", 7.9),
                )
            ]
        )
        buyers = self.chance.sample(list(partners), BUYERS)
        # Every third buyer comes back, some of them often.
        chosen = buyers + [
            buyer for buyer in buyers[::3] for _n in range(self.chance.randint(1, 5))
        ]
        orders = self.env["sale.order"].create(
            [
                {
                    "partner_id": partner.id,
                    "order_line": [
                        (0, 0, {"product_id": tea.id, "product_uom_qty": self.chance.randint(1, 9)})
                        for tea in self.chance.sample(list(teas), self.chance.randint(1, 3))
                    ],
                }
                for partner in chosen
            ]
        )
        orders[QUOTATIONS:].action_confirm()
        now = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
        for order in orders:
            order.date_order = now - timedelta(days=self.chance.triangular(0, 400, 60))

    def make_models(self):
        """Sort the customers into types and stages, as they will be every night.

        And as they were a month ago, so that there is movement to see.
        """
        tables = self.env["directmail.data.table"]
        orders = tables.search([("preset", "=", "sale_orders")])
        leads = tables.search([("preset", "=", "leads")])
        admin = self.env.ref("base.user_admin").id
        rfm = self.env["directmail.rfm.model"].create(
            {
                "name": "Tea shop customers",
                "user_id": admin,
                "data_table_id": orders.id,
                "m_amount_3": 250,
                "m_amount_2": 80,
                "tz": "Asia/Singapore",
                "hour": 3,
            }
        )
        offered = [("expected_revenue", ">=", 4000)]
        aipl = self.env["directmail.aipl.model"].create(
            {
                "name": "From first contact to regular",
                "user_id": admin,
                "condition_ids": [
                    (0, 0, {"stage": "a", "data_table_id": leads.id}),
                    (0, 0, {"stage": "i", "data_table_id": leads.id, "domain": str(offered)}),
                    (0, 0, {"stage": "p", "data_table_id": orders.id, "days": 365}),
                    (0, 0, {"stage": "l", "data_table_id": orders.id, "days": 365,
                            "min_count": 3, "min_amount": 200}),
                ],
            }
        )  # fmt: skip
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        for model in (rfm, aipl):
            # Yesterday, too: the figures of who entered and left compare with the day before.
            for days in (MOVEMENT_DAYS, 1, 0):
                model._compute_results(now - timedelta(days=days))

    def make_leads(self, partners):
        stages = self.env["crm.stage"].search([])
        known = [
            {"name": f"Tea for the office of {partner.name}", "partner_id": partner.id}
            for partner in self.chance.sample(list(partners), 50)
        ]
        unknown = [
            {
                "name": f"Request from the fair, no. {number}",
                "contact_name": f"Visitor {number}",
                "email_from": f"visitor{number}@fair.example.com",
            }
            for number in range(1, 31)
        ]
        leads = self.env["crm.lead"].create(
            [
                {
                    **values,
                    "type": "opportunity",
                    "stage_id": self.chance.choice(stages.ids),
                    "expected_revenue": self.chance.randint(2, 90) * 100,
                }
                for values in known + unknown
            ]
        )
        # The ORM does not write `create_date`: two thirds were there before the last month.
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE crm_lead SET create_date = create_date - (id %% 90) * interval '1 day'
                WHERE id IN %s""",
            [tuple(leads.ids)],
        )
        leads.invalidate_recordset()


def read_answer(said):
    """Return what `main` printed last, as a dict."""
    return json.loads(said.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description="Fill the demo's database.")
    parser.add_argument("database")
    parser.add_argument("base_url")
    wanted = parser.parse_args()
    import odoo
    from odoo.modules.registry import Registry
    from odoo.tools import config

    config.parse_config(["-d", wanted.database, "--log-level=warn"], setup_logging=True)
    with Registry(wanted.database).cursor() as cr:
        made = Seeder(odoo.api.Environment(cr, odoo.SUPERUSER_ID, {}), wanted.base_url).seed()
    print(json.dumps(made))


if __name__ == "__main__":
    sys.exit(main())
