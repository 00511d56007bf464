"""Records of the apps that bring data tables: the people of `test_presets.py`.

For each preset, the contact *recent* has a record of today worth 100, *old* one of 100 days ago
worth 300, and *left out* one that the preset's own filter refuses. *alone* is an address without a
contact, where records of the app can have one.
"""

from datetime import UTC, datetime, timedelta

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
OLD = NOW - timedelta(days=100)
#: (who, when, amount) of the contacts with records that count
COUNTED = (("recent", NOW, 100), ("old", OLD, 300))


class Records:
    """Creates the records as the administrator; `people` is {(preset, who): contact's id}."""

    def __init__(self, server, admin):
        self.server, self.admin = server, admin
        self.people = {}

    def make_all(self):
        """Create the records of every preset."""
        self.product = self.make("product.product", name="Boots", taxes_id=[], list_price=0)
        [self.website] = self.admin.call("website", "search", [[]], {"limit": 1})
        self.make_contacts()
        self.make_leads()
        self.make_mailing_contacts()
        self.make_sale_orders()
        self.make_invoices()
        self.make_pos_orders()
        self.make_registrations()
        self.make_visitors()
        self.make_wishlists()
        self.make_attendees()
        self.make_answers()
        self.make_cards()
        self.make_repairs()

    def make(self, model, **values):
        """Create one record. :return: its id"""
        return self.admin.call(model, "create", [values])

    def press(self, model, button, record):
        """Press a button of a record."""
        return self.admin.call(model, button, [[record]])

    def person(self, preset, who):
        """Create the contact of one record. :return: its id"""
        email = self.address(preset, who)
        contact = self.make("res.partner", name=f"{preset} {who}", email=email)
        self.people[preset, who] = contact
        return contact

    @staticmethod
    def address(preset, who):
        """Return the address of a person."""
        return f"{who.replace(' ', '-')}@{preset.replace('_', '-')}.preset.example"

    def addresses(self, preset, people):
        """Return the sorted addresses of people."""
        # An order and its line are of the same person.
        source = "sale_orders" if preset == "sale_order_lines" else preset
        return sorted(self.address(source, who) for who in people)

    def age(self, table, record, column="create_date"):
        """Move a date that Odoo sets by itself 100 days back."""
        self.server.query(f'UPDATE "{table}" SET "{column}" = %s WHERE id = %s', OLD, record)

    def make_contacts(self):
        """Contacts; an archived one is left out."""
        self.person("contacts", "recent")
        self.age("res_partner", self.person("contacts", "old"))
        archived = self.person("contacts", "left out")
        self.admin.call("res.partner", "write", [[archived], {"active": False}])

    def make_leads(self):
        """Leads of contacts and of an address; an archived one is left out."""
        for who, when, amount in COUNTED:
            lead = self.make(
                "crm.lead",
                name=who,
                partner_id=self.person("leads", who),
                expected_revenue=amount,
            )
            if when == OLD:
                self.age("crm_lead", lead)
        self.make("crm.lead", name="alone", email_from=self.address("leads", "alone"))
        contact = self.person("leads", "left out")
        self.make("crm.lead", name="left out", partner_id=contact, active=False)

    def make_mailing_contacts(self):
        """Subscribers of a list; one who has opted out of it is left out."""
        news = self.make("mailing.list", name="News")
        for who in ("recent", "old", "left out"):
            subscription = {"list_id": news, "opt_out": who == "left out"}
            contact = self.make(
                "mailing.contact",
                email=self.address("mailing_contacts", who),
                subscription_ids=[(0, 0, subscription)],
            )
            if who == "old":
                self.age("mailing_contact", contact)

    def make_sale_orders(self):
        """Confirmed orders, with a note among their lines; a quotation is left out."""
        for who, when, amount in (*COUNTED, ("left out", NOW, 500)):
            boots = {"product_id": self.product, "price_unit": amount, "tax_ids": []}
            note = {"display_type": "line_note", "name": "Thank you"}
            contact = self.person("sale_orders", who)
            self.people["sale_order_lines", who] = contact
            order = self.make(
                "sale.order", partner_id=contact, order_line=[(0, 0, boots), (0, 0, note)]
            )
            if who != "left out":
                self.press("sale.order", "action_confirm", order)
                self.admin.call("sale.order", "write", [[order], {"date_order": str(when)}])

    def make_invoices(self):
        """Posted invoices; a draft and a vendor's bill are left out."""
        posted = [(who, "out_invoice", when, amount) for who, when, amount in COUNTED]
        for who, kind, when, amount in (*posted, ("vendor", "in_invoice", NOW, 500)):
            self.press("account.move", "action_post", self._make_invoice(who, kind, when, amount))
        self._make_invoice("left out", "out_invoice", NOW, 500)

    def _make_invoice(self, who, kind, when, amount):
        line = {"product_id": self.product, "price_unit": amount, "tax_ids": []}
        return self.make(
            "account.move",
            move_type=kind,
            partner_id=self.person("invoices", who),
            invoice_date=str(when.date()),
            invoice_line_ids=[(0, 0, line)],
        )

    def make_pos_orders(self):
        """Paid orders of a shop; one that is still open is left out."""
        shop = self.make("pos.config", name="Shop")
        session = self.make("pos.session", config_id=shop)
        for who, when, amount in (*COUNTED, ("left out", NOW, 500)):
            self.make(
                "pos.order",
                session_id=session,
                partner_id=self.person("pos_orders", who),
                date_order=str(when),
                state="draft" if who == "left out" else "paid",
                amount_total=amount,
                amount_paid=amount,
                amount_tax=0,
                amount_return=0,
            )

    def make_registrations(self):
        """Registrations of contacts and of an address; a cancelled one is left out."""
        fair = self.make(
            "event.event",
            name="Fair",
            date_begin=str(NOW + timedelta(days=9)),
            date_end=str(NOW + timedelta(days=10)),
        )
        for who in ("recent", "old", "left out"):
            registration = self.make(
                "event.registration",
                event_id=fair,
                partner_id=self.person("event_registrations", who),
                state="cancel" if who == "left out" else "open",
            )
            if who == "old":
                self.age("event_registration", registration)
        alone = self.address("event_registrations", "alone")
        self.make("event.registration", event_id=fair, name="Alone", email=alone)

    def make_visitors(self):
        """Visitors who have logged in; one who has not is nobody.

        By SQL, as Odoo's website does: no user may create visitors.
        """
        insert = """
            INSERT INTO website_visitor
                (access_token, partner_id, last_connection_datetime, visit_count, website_id)
            VALUES (%s, %s, %s, 1, %s)
        """
        for who, when, _amount in COUNTED:
            contact = self.person("website_visitors", who)
            self.server.query(insert, str(contact), contact, when, self.website)
        self.server.query(insert, "0123456789abcdef" * 2, None, NOW, self.website)

    def make_wishlists(self):
        """Wishes; one that was taken off the list is left out."""
        for who in ("recent", "old", "left out"):
            wish = self.make(
                "product.wishlist",
                product_id=self.product,
                partner_id=self.person("wishlists", who),
                website_id=self.website,
                active=who != "left out",
            )
            if who == "old":
                self.age("product_wishlist", wish)

    def make_attendees(self):
        """Attendees of a course; who has left it, or was only invited, is left out."""
        course = self.make("slide.channel", name="Boots, and how to wear them")
        for who in ("recent", "old", "left out"):
            attendee = self.make(
                "slide.channel.partner",
                channel_id=course,
                partner_id=self.person("courses", who),
                active=who != "left out",
            )
            if who == "old":
                self.age("slide_channel_partner", attendee)
        guest = self.person("courses", "invited")
        self.make(
            "slide.channel.partner", channel_id=course, partner_id=guest, member_status="invited"
        )

    def make_answers(self):
        """Answers of contacts and of an address; an unfinished one and a test are left out."""
        survey = self.make("survey.survey", title="How do you like your boots?")

        def answer(who, when, **values):
            self.make(
                "survey.user_input",
                **{"survey_id": survey, "state": "done", "end_datetime": str(when), **values},
            )

        for who, when, _amount in COUNTED:
            answer(who, when, partner_id=self.person("surveys", who))
        answer("alone", NOW, email=self.address("surveys", "alone"))
        contact = self.person("surveys", "left out")
        answer("left out", NOW, partner_id=contact, state="in_progress")
        answer("left out", NOW, partner_id=contact, test_entry=True)

    def make_cards(self):
        """Gift cards of contacts; an archived one is left out."""
        program = self.make("loyalty.program", name="Gifts", program_type="gift_card")
        for who in ("recent", "old", "left out"):
            card = self.make(
                "loyalty.card",
                program_id=program,
                partner_id=self.person("loyalty_cards", who),
                active=who != "left out",
            )
            if who == "old":
                self.age("loyalty_card", card)

    def make_repairs(self):
        """Repairs of contacts; a cancelled one is left out."""
        for who in ("recent", "old", "left out"):
            repair = self.make(
                "repair.order", product_id=self.product, partner_id=self.person("repairs", who)
            )
            if who == "old":
                self.age("repair_order", repair)
            if who == "left out":
                self.press("repair.order", "action_repair_cancel", repair)
