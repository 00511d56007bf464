from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from odoo.addons.http_routing.tests.common import MockRequest

from ..common import BODY, DirectmailMixin, run_migration, start_task
from ..common_http import PatientHttpCase

PERSON = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1"}
LINKS = """
<div>
    <p><a href="https://shop.example.com/spring?colour=red&amp;size=4#top">The
        <b>collection</b></a> <a href="https://shop.example.com/spring?colour=red&amp;size=4#top">
        once more</a></p>
    <p><a href="/contactus"><img src="/web/image/1" alt="Our shop"/></a>
       <a href="mailto:a@example.com">Write</a> <a href="#top">Up</a> <a href="tel:+651">Call</a>
       <a href="https://shop.example.com/{Braces}">Braces</a></p>
</div>
"""


@tagged("post_install", "-at_install")
class TestTracking(DirectmailMixin, PatientHttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("email_marketing_dm.machine_seconds", "0")
        body = BODY.replace("<div>", LINKS, 1) + "</div>"
        cls.template = cls._make_template(body_arch=body, body_html=body)
        people = cls._make_people("zoe@example.com")
        campaign = cls.env["utm.campaign"].create({"name": "Easter"})
        cls.task = cls._make_task(cls._make_audience(people), cls.template, campaign_id=campaign.id)
        cls.task.action_send()
        start_task(cls.task.sudo())
        cls.delivery = cls.task.delivery_ids.sudo()
        cls.env.cr.execute(
            """UPDATE directmail_delivery SET state = 'sent',
                      claimed_at = now() AT TIME ZONE 'UTC' - interval '1 day' WHERE id = %s""",
            [cls.delivery.id],
        )
        cls.token = cls._get_token(cls.delivery)
        cls.env.cr.execute(
            """UPDATE directmail_task_counter
                  SET name = 'sent' WHERE task_id = %s AND name = 'waiting'""",
            [cls.task.id],
        )
        cls.env.invalidate_all()

    def _follow(self, number, token=None, method="GET", **headers):
        return self.url_open(
            f"/directmail/click/{self.template.id}/{number}/{token or self.token}",
            headers={**PERSON, **headers},
            method=method,
            allow_redirects=False,
        )

    def _load(self, token=None, **headers):
        return self.url_open(
            f"/directmail/open/{token or self.token}", headers={**PERSON, **headers}
        )

    def _apply(self):
        self.env.invalidate_all()
        self.env["directmail.event"]._apply_all(self.account.company_id)
        self.env.invalidate_all()
        self.assertSumRule(self.task)

    def test_what_is_submitted(self):
        text = self.template.submitted_text
        base = f"https://www.example.com/directmail/click/{self.template.id}"
        self.assertEqual(text.count(base + "/0/{ClickToken}"), 2)
        self.assertIn(base + "/1/{ClickToken}", text)
        self.assertIn("https://www.example.com/directmail/open/{OpenToken}", text)
        self.assertIn("https://www.example.com/directmail/unsubscribe/{Token}", text)
        self.assertIn('src="https://www.example.com/web/image/1"', text)
        for untouched in ("mailto:a@example.com", 'href="#top"', "tel:+651"):
            self.assertIn(untouched, text)
        self.assertNotIn("shop.example.com", text)

    def test_outlooks_buttons_are_the_links_that_they_are_to_others(self):
        """Stored by Odoo, compiled and compacted: same number, same target, same counter."""
        settings = (
            "<!--[if mso]><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96"
            "</o:PixelsPerInch></o:OfficeDocumentSettings></xml><![endif]-->"
        )
        address = "https://shop.example.com/spring?a=1&amp;b=2"
        button = (
            f'<!--[if mso]><v:roundrect href="{address}"><center>Shop</center></v:roundrect>'
            f'<![endif]--><!--[if !mso]><!--><a href="{address}">Shop</a><!--<![endif]-->'
        )
        only = (
            '<!--[if mso]><a href="/only">Outlook only</a><v:rect href="https://a.example/x"/>'
            '<a href="/unsubscribe_from_list">U</a><a href="/view">V</a><![endif]-->'
        )
        body = settings + BODY.replace("</div>", f"{button}{only}</div>")
        template = self._make_template(body_arch=body, body_html=body)
        for stored in (template.body_arch, template.body_html):
            self.assertIn(settings, stored)
        links = template.submitted_links
        self.assertEqual(
            [link["title"] for link in links], ["Shop", "Outlook only", "https://a.example/x"]
        )
        self.assertEqual(links[0]["url"], "https://shop.example.com/spring?a=1&b=2")
        text, base = template.submitted_text, "https://www.example.com/directmail"
        self.assertEqual(text.count(f"{base}/click/{template.id}/0/{{ClickToken}}"), 2)
        self.assertEqual(text.count(f"{base}/click/{template.id}/1/{{ClickToken}}"), 1)
        self.assertEqual(text.count(f"{base}/unsubscribe/{{Token}}"), 2)
        self.assertEqual(text.count(f"{base}/view/{{Token}}"), 2)
        self.assertIn(settings, text)
        # Saved again, as the builder does, nothing changes.
        draft = self._make_template(approved=False, body_html=template.body_html)
        self.assertEqual(draft.body_html, template.body_html)

    def test_links_of_the_task(self):
        links = self.task.link_ids.sudo()
        self.assertEqual(links.mapped("title"), ["The collection", "Our shop", "Braces"])
        self.assertEqual(
            links.mapped("url"),
            [
                "https://shop.example.com/spring?colour=red&size=4#top",
                "https://www.example.com/contactus",
                "https://shop.example.com/{Braces}",
            ],
        )

    def test_click(self):
        response = self._follow(0)
        self.assertEqual(response.status_code, 302)
        target = response.headers["Location"]
        self.assertTrue(target.startswith("https://shop.example.com/spring?"), target)
        self.assertIn("utm_source=Spring", target)
        self.assertIn("utm_medium=Email", target)
        self.assertIn("utm_campaign=Easter", target)
        self.assertTrue(target.endswith("#top"), target)
        self._apply()
        self.assertEqual((self.delivery.click_count, self.task.clicked_count), (1, 1))
        self.assertEqual(self.delivery.event_ids.link_id, self.task.link_ids[0])

    def test_leads_and_orders_carry_the_task(self):
        """A visitor follows our link to a page of this Odoo, and becomes a lead or a customer."""
        target = urlsplit(self._follow(1).headers["Location"])
        self.assertEqual(target.path, "/contactus")
        page = self.url_open(f"/web/login?{target.query}")
        jar = SimpleCookie()
        for header in page.raw.headers.getlist("Set-Cookie"):
            jar.load(header)
        cookies = {name: morsel.value for name, morsel in jar.items()}
        self.assertIn("odoo_utm_source", cookies)
        for model, values in (
            ("crm.lead", {"name": "From the mail"}),
            ("sale.order", {"partner_id": self.delivery.partner_id.id}),
        ):
            if model not in self.env:
                continue  # sale is one of the apps that need not be there
            with self.subTest(model), MockRequest(self.env, cookies=cookies):
                record = self.env[model].create(values)
                self.assertEqual(record.campaign_id, self.task.campaign_id)
                self.assertEqual(record.source_id, self.task.source_id)
                self.assertEqual(record.medium_id.name, "Email")

    def test_open(self):
        response = self._load()
        self.assertEqual(response.headers["Content-Type"], "image/gif")
        self.assertIn("no-store", response.headers["Cache-Control"])
        self._load()
        self._apply()
        self.assertEqual((self.delivery.open_count, self.task.opened_count), (2, 1))

    def test_machines(self):
        self._follow(0, method="HEAD")
        self._follow(0, **{"User-Agent": "MailSecurityScanner/1.0"})
        self._load(**{"User-Agent": "Mozilla/5.0"})
        self._apply()
        self.assertEqual(self.delivery.machine_click_count, 2)
        self.assertEqual(self.delivery.machine_open_count, 1)
        self.assertEqual((self.task.opened_count, self.task.clicked_count), (0, 0))

    def test_too_soon_for_a_person(self):
        self.env["ir.config_parameter"].set_param("email_marketing_dm.machine_seconds", "9e9")
        self._load()
        self._apply()
        self.assertEqual((self.delivery.machine_open_count, self.task.opened_count), (1, 0))

    def test_guessed_tokens_lead_nowhere(self):
        for position in range(len(self.token)):
            other = "A" if self.token[position] != "A" else "B"
            token = self.token[:position] + other + self.token[position + 1 :]
            self.assertEqual(self._follow(0, token).status_code, 404, position)
            self.assertEqual(self._load(token).status_code, 404, position)
        self.assertEqual(self._follow(99).status_code, 404)
        self._apply()
        self.assertFalse(self.delivery.event_ids)

    def test_no_open_redirect(self):
        response = self.url_open(
            f"/directmail/click/{self.template.id}/0/{self.token}?url=https://evil.example&redirect=//evil.example",
            headers=PERSON,
            allow_redirects=False,
        )
        self.assertTrue(response.headers["Location"].startswith("https://shop.example.com/"))

    def test_nobody_turns_a_link_elsewhere(self):
        """A marketer of another company edits the link tracker; recipients go where they went."""
        before = self._follow(0).headers["Location"]
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            "mass_mailing.group_mass_mailing_user",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        trackers = self.task.sudo().link_ids.tracker_id.with_user(stranger)
        trackers[0].url = "https://evil.example/"
        trackers[0].campaign_id = False
        self.env.flush_all()
        self.assertEqual(self._follow(0).headers["Location"], before)
        self._apply()
        self.assertEqual(trackers.sudo()[0].count, 2, "the tracker still counts")

    def test_who_may_write_where_a_link_leads(self):
        links = self.task.sudo().link_ids
        for user in (self.user, self.admin, self.env.ref("base.user_admin")):
            with self.subTest(user.login):
                with self.assertRaises(AccessError):
                    links.with_user(user).url = "https://evil.example/"
                with self.assertRaises(AccessError):
                    links.with_user(user).unlink()
        # not even where somebody has opened the model
        self.env["ir.model.access"].create(
            {
                "name": "Opened",
                "model_id": self.env["ir.model"]._get_id("directmail.link"),
                "group_id": self.env.ref("base.group_user").id,
                "perm_read": True,
                "perm_write": True,
            }
        )
        with self.assertRaises(AccessError):
            links[0].with_user(self.user).url = "https://evil.example/"

    def test_only_web_addresses_are_followed(self):
        link = self.task.sudo().link_ids[0]
        for url in (
            "javascript:alert(1)",
            "ftp://a.example/",
            "/web",
            "//evil.example",
            "https:///x",
        ):
            with self.subTest(url):
                link.url = url
                self.env.flush_all()
                self.assertEqual(self._follow(0).status_code, 404)

    def test_a_line_break_in_an_address(self):
        self.task.sudo().link_ids[0].url = "https://a.example/x\r\nSet-Cookie: evil=1"
        self.env.flush_all()
        response = self._follow(0)
        self.assertNotIn("Set-Cookie", response.headers)
        self.assertTrue(response.headers["Location"].startswith("https://a.example/x"))

    def test_a_campaign_that_was_renamed(self):
        """Visits are found by the names of campaign and source, so their present ones are used."""
        self.task.sudo().campaign_id.name = "Easter & more"
        self.env.flush_all()
        self.assertIn("utm_campaign=Easter+%26+more", self._follow(0).headers["Location"])

    def test_links_of_mails_from_before(self):
        """Upgraded, links lead where the approved text says, whatever became of the trackers."""
        links = self.task.sudo().link_ids
        urls = links.mapped("url")
        links.tracker_id[0].url = "https://evil.example/"
        links.tracker_id[2].url = "https://www.example.com/kept"
        self.template.sudo().submitted_links = self.template.submitted_links[:2]
        self.env.flush_all()
        cr = self.env.cr
        cr.execute("ALTER TABLE directmail_link DROP COLUMN url")
        run_migration(cr, "19.0.1.3.0/pre-content.py")
        cr.execute(
            "SELECT url FROM directmail_link WHERE task_id = %s ORDER BY number", [self.task.id]
        )
        kept = [row[0] for row in cr.fetchall()]
        self.assertEqual(kept, [*urls[:2], "https://www.example.com/kept"])

    def test_upgrade_from_before_there_were_links(self):
        self.env.cr.execute("ALTER TABLE directmail_link RENAME TO directmail_no_link")
        run_migration(self.env.cr, "19.0.1.3.0/pre-content.py")

    def test_recording_switched_off(self):
        self.task.sudo().write({"track_clicks": False, "track_opens": False})
        self.assertEqual(self._follow(0).status_code, 302)
        self.assertEqual(self._load().status_code, 200)
        self._apply()
        self.assertFalse(self.delivery.event_ids)

    def test_what_is_tracked_again(self):
        """Each task has trackers of its own, told apart by its source."""
        task = self._make_task(self.task.audience_ids, self.template)
        task.action_send()
        start_task(task.sudo())
        self.assertFalse(task.sudo().link_ids.tracker_id & self.task.sudo().link_ids.tracker_id)
        self.assertNotEqual(task.sudo().source_id, self.task.sudo().source_id)
