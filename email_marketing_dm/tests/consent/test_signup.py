from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from ...models.consent import directmail_signup
from ..common_encrypted import ALICE
from ..common_signup import ELSEWHERE, ZOE, SignupCommon


@tagged("post_install", "-at_install")
class TestSignup(SignupCommon):
    """People sign up on a public form and confirm it by mail."""

    # === SIGNING UP AND CONFIRMING === #

    def test_signing_up(self):
        page = self.url_open(self.path).text
        self.assertIn('<form method="post"', page)
        self.assertNotIn("checked", page, "a box that was ticked before is no consent")
        self.assertIn("Rue du Bac 7", page)
        answer = self._send(name="Zoë", lang="en_US")
        self.assertIn("Please check your inbox", answer.text)
        mail = self._ask()
        self.assertEqual((mail.email_to, mail.state), (ZOE, "outgoing"))
        self.assertIn("Rue du Bac 7", mail.body_html)
        self.assertIn(": Offers.", mail.body_html)
        self.assertNotIn("Zoë", mail.body_html, "others could be made to get what one enters")
        self.assertIn("auto-generated", mail.headers)
        self.assertTrue(mail.auto_delete)
        link = self._read_link(mail)
        self.assertIn("<button", self.url_open(link).text)
        self.assertFalse(self._get_new_consents(), "mail scanners follow links")
        self.assertFalse(self.env["res.partner"].search([("email", "=", ZOE)]))
        asked_at = self._get_signups().asked_at
        self.assertIn("You are signed up", self._confirm(link).text)
        consent = self._get_new_consents()
        partner = self.env["res.partner"].search([("email", "=", ZOE)])
        self.assertEqual((partner.name, partner.company_id), ("Zoë", self.company))
        self.assertEqual(partner.category_id, self.tag)
        self.assertEqual((consent.partner_id, consent.email), (partner, ZOE))
        self.assertEqual((consent.answer, consent.origin), ("confirmed", "form"))
        self.assertEqual((consent.purpose_id, consent.lang), (self.offers, "en_US"))
        self.assertEqual(consent.text, self.form._get_text())
        self.assertIn("I would like to get emails", consent.text)
        self.assertEqual(consent.text_version, self.form._get_version())
        self.assertEqual((consent.ip, consent.confirmation_ip), ("127.0.0.1", "127.0.0.1"))
        self.assertIn("python", consent.user_agent)
        self.assertEqual(consent.asked_at, asked_at)
        [proof] = consent._export_proof()
        self.assertEqual(proof["signed_up_on"], str(asked_at))
        self.assertEqual((self.form.signup_count, self.form.confirmed_count), (1, 1))
        signup = self._get_signups()
        self.assertFalse(signup.ip or signup.text or signup.user_agent, "the consent has them")
        action = self.form.with_user(self.admin).action_open_signups()
        self.assertEqual(self.signups.search(action["domain"]).partner_id, partner)

    def test_confirming_again_changes_nothing(self):
        self._send()
        link = self._read_link(self._ask())
        answers = {self._confirm(link).text for _attempt in range(3)}
        self.assertEqual(len(answers), 1)
        self.assertEqual(len(self._get_new_consents()), 1)
        self.assertEqual(self.env["res.partner"].search_count([("email", "=", ZOE)]), 1)
        self.assertIn("You are signed up", self.url_open(link).text)

    def test_forged_and_old_links(self):
        self._send()
        link = self._read_link(self._ask())
        for forged in (
            link[:-1],
            link[:-1] + link[-1].swapcase() + "Y",
            f"{link}x",
            self.path.replace("up/", "up/confirm/"),
        ):
            with self.subTest(forged):
                self.assertEqual(self._confirm(forged).status_code, 404)
        old = fields.Datetime.now() - directmail_signup.KEEP - timedelta(hours=1)
        self._get_signups().asked_at = old
        self.env.flush_all()
        response = self._confirm(link)
        self.assertEqual(response.status_code, 404)
        self.assertIn("please sign up again", response.text)
        self.assertFalse(self._get_new_consents())
        self.signups._gc_unconfirmed()
        self.assertFalse(self._get_signups())
        self.assertEqual((self.form.signup_count, self.form.confirmed_count), (1, 0))
        self._sign_up()
        self.signups._gc_unconfirmed()
        self.assertEqual((self.form.signup_count, self.form.confirmed_count), (2, 1))

    def test_a_known_person(self):
        """The contact is found, of this company rather than of all; nothing of it is changed."""
        shared, other, own = self.env["res.partner"].create(
            [
                {"name": "Shared", "email": "Zoe@Example.com"},
                {
                    "name": "Other",
                    "email": ZOE,
                    "company_id": self.env["res.company"].create({"name": "Other"}).id,
                },
                {"name": "Own", "email": f"Z <{ZOE}>", "company_id": self.company.id},
            ]
        )
        self._sign_up(name="Mallory")
        self.assertEqual(self._get_new_consents().partner_id, own)
        self.assertEqual((own.name, own.email), ("Own", f"Z <{ZOE}>"))
        self.assertFalse(shared.category_id + other.category_id)
        self.assertEqual(len(self.env["res.partner"].search([("email_normalized", "=", ZOE)])), 3)

    def test_an_encrypted_person(self):
        """Their address, as entered, is stored nowhere once they have confirmed."""
        self._enter_key()
        partner = self._make_encrypted(ALICE)
        self._run_reading()
        self._sign_up("alice@example.com")
        consent = self._get_new_consents()
        self.assertEqual(consent.partner_id, partner)
        self.assertEqual((consent.email, consent.email_encrypted), (False, ALICE))
        self.assertEqual(consent.address_key, partner.email_encrypted_key)
        self.assertFalse(self._get_signups().email)
        self.assertFalse(self.env["res.partner"].search([("email", "ilike", "alice@example.com")]))

    def test_after_an_optout(self):
        """Confirming undoes what people did on our pages, and nothing else."""
        key = self.env["directmail.keyring"]._get_master_key().address_key(ZOE)
        for origin, stays in (("page", False), ("one_click", False), ("complaint", True)):
            with self.subTest(origin):
                optout = self.env["directmail.optout"].create(
                    {
                        "company_id": self.company.id,
                        "address_key": key,
                        "email": ZOE,
                        "origin": origin,
                    }
                )
                self._get_signups().unlink()
                self.env.flush_all()
                answer = self._sign_up().text
                self.assertEqual(bool(optout.exists()), stays)
                self.assertEqual("Your address is blocked" in answer, stays)

    def test_from_the_form_to_the_contact(self):
        self.start_tour("/odoo", "directmail_sign_up", login="dm_admin")
        form = self.env["directmail.signup.form"].search([("name", "=", "Tour form")])
        self.assertEqual(form.purpose_ids, self.offers)
        self.form = form.sudo()
        self.path = f"/directmail/signup/{self.form.token}"
        self.assertIn("You are signed up", self._sign_up().text)
        url = f"/odoo/action-email_marketing_dm.directmail_signup_form_action/{form.id}"
        self.start_tour(url, "directmail_sign_up_result", login="dm_admin")

    def test_answers_of_the_address_become_those_of_the_contact(self):
        key = self.env["directmail.keyring"]._get_master_key().address_key(ZOE)
        self.consents._add_mailing(self.news, {"address_key": key, "email": ZOE}, "yes", "import")
        self._sign_up()
        consents = self._get_new_consents()
        self.assertEqual(consents.mapped("origin"), ["import", "form"])
        self.assertEqual(len(consents.partner_id), 1)
        self.assertTrue(all(consent.partner_id for consent in consents))

    def test_a_used_link_tells_what_counts_now(self):
        self.form.redirect_url = "https://www.example.com/thanks"
        self._send()
        link = self._read_link(self._ask())
        self.assertEqual(self._confirm(link).status_code, 303)
        consent = self._get_new_consents()
        person = self.consents._find_person(consent.partner_id)[0]
        self.assertIn("You are signed up", self.url_open(link).text)

        def expect(text):
            self.env.flush_all()
            answers = [self.url_open(link), self._confirm(link)]
            self.assertEqual([answer.status_code for answer in answers], [200, 200])
            for answer in answers:
                self.assertIn(text, answer.text)
                self.assertNotIn("You are signed up", answer.text)

        self.consents._add_mailing(self.offers, person, "withdrawn", "page")
        expect("You are not signed up any more")
        self.consents._add_mailing(self.offers, person, "confirmed", "page")
        optout = self.env["directmail.optout"].create(
            {
                "company_id": self.company.id,
                "address_key": consent.address_key,
                "email": ZOE,
                "origin": "page",
            }
        )
        expect("You are not signed up any more")
        optout.origin = "complaint"
        expect("Your address is blocked")
        optout.unlink()
        self._get_signups().write({"email": False, "partner_id": False})
        expect("You are not signed up any more")

    def test_a_topic_that_was_archived_since(self):
        """The agreement is recorded, and the page does not say that they have unsubscribed."""
        self._send()
        link = self._read_link(self._ask())
        self.offers.active = False
        self.env.flush_all()
        self.assertIn("You are signed up", self._confirm(link).text)
        self.assertEqual(self._get_new_consents().purpose_id, self.offers)
        self.assertIn("You are signed up", self.url_open(link).text)

    # === WHAT MUST NOT GET IN OR OUT === #

    def test_no_answer_tells_who_is_known(self):
        self._sign_up("known@example.com")
        left, listed = "left@example.com", "listed@example.com"
        self._sign_up(left)
        self.env["directmail.optout"].create(
            {
                "company_id": self.company.id,
                "address_key": self._get_new_consents()[-1].address_key,
                "origin": "complaint",
            }
        )
        self.env["mail.blacklist"].create({"email": listed})
        answers, costs = set(), set()
        # What Odoo caches is read now.
        self.signups._sign_up(self.form, ZOE, "", self.offers, ip=ELSEWHERE)
        for email in ("known@example.com", left, listed, "nobody@example.com", "known@example.com"):
            response = self._send(email)
            headers = {name: response.headers[name] for name in response.headers if name != "Date"}
            answers.add((response.status_code, response.content, str(headers)))
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            self.signups._sign_up(self.form, email, "", self.offers, ip=ELSEWHERE)
            self.env.flush_all()
            costs.add(self.env.cr.sql_log_count - before)
        self.assertEqual(len(answers), 1)
        self.assertEqual(len(costs), 1, "as many statements for everybody")

    def test_what_is_entered(self):
        """Neither line breaks nor long values nor further fields nor other topics get in."""
        token = "x" * 40
        self._send(
            ZOE,
            name="Zoë\r\nBcc: <all@example.com>\x00" + "x" * 500,
            topic=[str(self.offers.id), str(self.foreign.id), "1'--"],
            token=token,
            state="confirmed",
            partner_id="1",
        )
        signup = self._get_signups()
        self.assertEqual((signup.state, signup.purpose_ids), ("new", self.offers))
        self.assertTrue(signup.name.startswith("Zoë Bcc:"))
        self.assertEqual(len(signup.name), directmail_signup.NAME_MAX)
        self.assertNotEqual(signup.token, token)
        for email in (
            "zoe@example.com\r\nBcc: all@example.com",
            "zoe@example.com,all@example.com",
            "Zoe <zoe@example.com>",
            f"{'z' * 300}@example.com",
            "zoe",
            "",
        ):
            with self.subTest(email):
                answer = self._send(email)
                self.assertEqual(answer.status_code, 200)
                self.assertIn("This is not an email address", answer.text)
        self.assertIn("at least one topic", self._send(topic=str(self.foreign.id)).text)
        self.assertEqual(self._get_signups(), signup)
        script = self._send('"><script>@x', name='"><script>').text
        self.assertNotIn("<script>", script)

    def test_programs_fill_in_the_hidden_field(self):
        answer = self._send(homepage="https://spam.example.com")
        self.assertEqual(answer.text, self._send().text)
        self.assertEqual(len(self._get_signups()), 1)

    def test_mails_to_one_address_are_few(self):
        def ask(minutes):
            for signup in self._get_signups().filtered("mailed_at"):
                signup.mailed_at -= timedelta(minutes=minutes)
            self._send()
            return len(self._ask())

        self.assertEqual([ask(0), ask(1), ask(10), ask(1), ask(10), ask(60)], [1, 0, 1, 0, 1, 0])
        self.assertEqual(ask(24 * 60), 1)
        states = self._get_signups().mapped("state")
        self.assertEqual(states, ["asked", "skipped"] * 3 + ["asked"])

    def test_floods(self):
        self.patch(directmail_signup, "PER_HOUR", 5)
        self.patch(directmail_signup, "PER_HOUR_AND_NETWORK", 2)

        def sign_up(ip):
            return self.signups._sign_up(self.form, ZOE, "", self.offers, ip=ip)

        # One of a network that is the same up to /64, and private addresses: those of a proxy.
        addresses = ("2a00:1:2:3::1", "2a00:1:2:3::2", "2a00:1:2:3::3", "2a00:1:2:4::1")
        self.assertEqual([sign_up(ip) for ip in addresses], [True, True, False, True])
        self.assertEqual([sign_up("10.0.0.1") for _number in range(3)], [True, True, False])
        response = self._send("other@example.com")
        self.assertEqual(response.status_code, 429)
        self.assertIn("Please try again later", response.text)
        self._get_signups().asked_at = fields.Datetime.now() - timedelta(hours=1)
        self.env.flush_all()
        self.assertEqual(self._send("other@example.com").status_code, 200)

    def test_tags_lead_to_the_same_mailbox(self):
        """Many providers deliver them to one mailbox, which must not be flooded by one person."""
        for email in (ZOE, "zoe+1@example.com", "zoe+2@example.com", "z%e+1@example.com"):
            self._send(email)
        self.assertCountEqual(self._ask().mapped("email_to"), [ZOE, "z%e+1@example.com"])
        for email in ("z_e@example.com", "zoey@example.com", "zoe@example.org"):
            self._send(email)
        self.assertEqual(len(self._ask()), 3, "these are other mailboxes")

    def test_invisible_characters(self):
        """They would reverse or hide what lists and proofs show after them."""
        self._send(name="\u202eZo\u200bë\x07 \u2066Li\u200dn")
        self.assertEqual(self._get_signups().name, "Zoë Li\u200dn")
        self._send("other@example.com", name="\u2066\u200d\u202e")
        self.assertFalse(self._get_signups()[-1].name)

    def test_thousands_of_languages(self):
        """Only the first ones are read: each of them takes time."""
        self.env["res.lang"]._activate_lang("de_DE")
        few, many = (",".join(["xx"] * number + ["de-DE"]) for number in (5, 5000))
        for languages, shown in ((few, "de-DE"), (many, "en-US")):
            page = self.url_open(self.path, headers={"Accept-Language": languages}).text
            self.assertIn(f'<html lang="{shown}">', page)
