from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..common import BODY, run_migration, start_task
from ..common_values import ValuesCommon, read_texts


@tagged("post_install", "-at_install")
class TestTemplateAuthor(ValuesCommon):
    """A mail says only what its owners and whoever last changed its content may all read.

    `user` is a marketer from whom a firm is hidden; `other`, an accountant, may read all firms.
    """

    def setUp(self):
        super().setUp()
        self._hide(self.secret, self.user)

    def _appoint(self, owner, *records):
        for record in records:
            record.with_user(self.admin).user_id = owner

    def _approve(self, template):
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()

    def _pending_task(self, template, user=None):
        """Return an email task to Ann and Bob that waits for its time."""
        owner = user or self.user
        people = self._make_audience(self.ann + self.bob, owner, visibility="public")
        task = self._make_task(people, template)
        self._appoint(owner, task)
        task = task.with_user(owner)
        later = fields.Datetime.now() + timedelta(hours=2)
        task.write({"send_type": "scheduled", "scheduled_at": later})
        task.action_send()
        self.assertEqual(task.state, "pending")
        return task

    def _texts(self, task):
        return {
            mail["to"]: read_texts(self.emulator.mail(mail["env_id"])["html"])
            for mail in self.emulator.ledger(task.tag_name)
        }

    # === WHOSE RIGHTS === #

    def test_content_written_for_an_accountant(self):
        """A marketer writes the mail; template and email task are then the accountant's."""
        template = self._draft("object.parent_id.name", "object.name")
        self._appoint(self.other, template)
        template = template.with_user(self.other)
        self.assertEqual(self._preview(template, self.ann, self.other), ["-", "Person 0"])
        self.assertEqual(
            self._sent(template, self.ann + self.bob, user=self.other),
            {"ann@example.com": ["-", "Person 0"], "bob@example.com": ["Open Ltd", "Person 1"]},
        )

    def test_what_the_accountant_writes(self):
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        template = template.with_user(self.other)
        template.body_html = template.body_html.replace("spring", "summer")
        self.assertEqual(
            self._sent(template, self.ann, user=self.other), {"ann@example.com": ["Secret Ltd"]}
        )

    def test_content_changed_on_the_task_page(self):
        """The accountant's mail is changed by an administrator who may not read the firm."""
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        template = template.with_user(self.other)
        template.subject = "From the accountant"
        self._approve(template)
        task = self._pending_task(template, self.other)
        self._hide(self.secret, self.admin)
        task.with_user(self.admin).subject = "From the administrator"
        own = task.template_id
        self.assertEqual(own.user_id, self.other)
        self.emulator.approve(own.remote_ref)
        own.action_check_review()
        task.sudo().scheduled_at = fields.Datetime.now()
        self._run_cron()
        self.assertEqual(self._texts(task)["ann@example.com"], ["-"])

    def test_each_change_of_what_the_mail_says_counts(self):
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        for name, value in (
            ("subject", "Other news"),
            ("sender_name", "Somebody"),
            ("preview_text", "In short"),
            ("body_arch", f"{BODY}<p>More</p>"),
            ("body_html", f"{BODY}<p>«<t t-out='object.parent_id.name'>!</t>»</p>"),
            ("lang", "en_US"),
        ):
            with self.subTest(name):
                template.sudo().content_user_id = self.user
                template.with_user(self.other)[name] = value
                self.assertEqual(template.content_user_id, self.other)

    def test_saving_without_a_change_does_not_count(self):
        """Saving a form without a change does not make its user the author of the content."""
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        names = ("subject", "sender_name", "preview_text", "body_arch", "body_html", "lang")
        template.with_user(self.other).write({name: template[name] for name in names})
        template.with_user(self.other).name = "Another name"
        self.assertEqual(template.content_user_id, self.user)

    def test_copies_and_new_versions_keep_their_author(self):
        template = self._draft("object.parent_id.name")
        copy = template.with_user(self.other).copy()
        self.assertEqual((copy.user_id, copy.content_user_id), (self.other, self.user))
        self._approve(template)
        action = template.with_user(self.other).action_edit()
        revision = self.env["directmail.template"].browse(action["res_id"])
        self.assertEqual((revision.user_id, revision.content_user_id), (self.other, self.user))
        self.assertEqual(self._preview(copy, self.ann, self.other), ["-"])
        # and a marketer's copy of the accountant's mail stays without what she may not read
        copy.subject = "News from the accountant"
        hers = copy.with_user(self.user).copy()
        self.assertEqual((hers.user_id, hers.content_user_id), (self.user, self.other))
        self.assertEqual(self._preview(hers, self.ann), ["-"])

    def test_a_preview_of_what_was_submitted(self):
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        template = template.with_user(self.other)
        self._approve(template)
        self.assertEqual(read_texts(template.preview_content({}, self.ann.id)["html"]), ["-"])

    def test_only_the_product_says_who_wrote_it(self):
        template = self._draft("object.parent_id.name")
        with self.assertRaises(AccessError):
            template.content_user_id = self.other
        with self.assertRaises(AccessError):
            template.copy({"content_user_id": self.other.id})
        with self.assertRaises(AccessError):
            template.with_context(default_content_user_id=self.other.id).copy()

    def test_a_figure_that_depends_on_who_looks(self):
        """The number of opportunities is counted anew for each reader, among what they may see."""
        own = self.env.ref("sales_team.group_sale_salesman")
        everybody = self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.user.group_ids += own
        self.other.group_ids += everybody
        self.env["crm.lead"].create(
            {"name": "Large", "partner_id": self.ann.id, "user_id": self.other.id}
        )
        template = self._draft("object.opportunity_count")
        self.assertEqual(self._preview(template, self.ann), ["0"], "the marketer's own view")
        self._appoint(self.other, template)
        template = template.with_user(self.other)
        self.assertEqual(self._preview(template, self.ann, self.other), ["-"])
        self.assertEqual(
            self._sent(template, self.ann + self.bob, user=self.other),
            {"ann@example.com": ["-"], "bob@example.com": ["0"]},
        )

    def test_upgrade_knows_who_submitted_the_text(self):
        draft = self._draft("object.parent_id.name")
        template = self._draft("object.parent_id.name")
        self._approve(template)
        self._appoint(self.other, draft, template)
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE directmail_template DROP COLUMN content_user_id")
        run_migration(self.env.cr, "19.0.1.3.0/pre-content.py")
        self.env.invalidate_all()
        self.assertEqual(template.content_user_id, self.user, "who submitted it")
        self.assertEqual(draft.content_user_id, self.other, "never submitted: its owner")

    # === TAKING OVER === #

    def test_taking_over_the_content(self):
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        self._approve(template.with_user(self.other))
        with self.assertRaises(AccessError):
            template.with_user(self.user).action_take_over_content()
        template.with_user(self.other).action_take_over_content()
        self.assertEqual(template.content_user_id, self.other)
        self.assertEqual(template.state, "approved", "the text is what DirectMail approved")
        task = self._pending_task(template, self.other)
        task.sudo().scheduled_at = fields.Datetime.now()
        self._run_cron()
        self.assertEqual(self._texts(task)["ann@example.com"], ["Secret Ltd"])

    # === WHO HAS LEFT === #

    def test_the_author_has_left(self):
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        template = template.with_user(self.other)
        self._approve(template)
        task = self._pending_task(template, self.other)
        self.user.active = False
        task.sudo().scheduled_at = fields.Datetime.now()
        self._run_cron()
        self.assertEqual(task.state, "failed")
        self.assertRegex(task.state_message, "dm_user.* last changed the content.*Take over")
        self.assertFalse(self._texts(task))
        with self.assertRaisesRegex(UserError, "Take over"):
            task.action_send()
        template.action_take_over_content()
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, len(self._texts(task))), ("done", 2))

    def test_the_owner_has_left(self):
        template = self._draft("object.parent_id.name")
        self._approve(template)
        task = self._pending_task(template, self.other)
        template.with_user(self.other).sudo().action_take_over_content()
        self.user.active = False
        task.sudo().scheduled_at = fields.Datetime.now()
        self._run_cron()
        self.assertEqual(task.state, "failed")
        self.assertRegex(task.state_message, "dm_user.*owner of the template.*administrator")

    @mute_logger("odoo.addons.email_marketing_dm.engine.dispatcher")
    def test_the_author_leaves_while_it_is_sent(self):
        template = self._draft("object.parent_id.name")
        self._appoint(self.other, template)
        self._approve(template.with_user(self.other))
        task = self._pending_task(template.with_user(self.other), self.other)
        task.sudo().scheduled_at = fields.Datetime.now()
        start_task(task.sudo())
        self.user.active = False
        self._run_cron()
        self.assertEqual((task.state, task.waiting_count), ("paused", 2))
        self.assertIn("Take over", task.state_message)
        self.assertNotIn("DirectMail refuses", task.state_message)
        template.with_user(self.other).action_take_over_content()
        task.action_resume()
        self._run_cron()
        self.assertEqual(self._texts(task)["ann@example.com"], ["Secret Ltd"])

    def test_who_left_does_not_matter_to_a_mail_without_relations(self):
        template = self._draft("object.name")
        self._approve(template)
        task = self._pending_task(template)
        template.sudo().content_user_id = self.other
        self.other.active = False
        task.sudo().scheduled_at = fields.Datetime.now()
        self._run_cron()
        self.assertEqual(task.state, "done")

    # === A NEW OWNER OF AN EMAIL TASK === #

    def test_a_new_owner_decides_about_a_pending_task(self):
        template = self._make_template()
        task = self._pending_task(template)
        self._appoint(self.other, task)
        task = task.with_user(self.other)
        self.assertEqual(task.state, "draft")
        activity = task.sudo().activity_ids
        self.assertEqual(activity.user_id, self.other)
        self.assertIn("Take over", activity.summary)
        with self.assertRaisesRegex(UserError, "has not agreed"):
            task.with_user(self.admin).action_send()
        task.sudo().write({"send_type": "now", "scheduled_at": False})
        self._run_cron()
        self.assertFalse(self.emulator.ledger(task.tag_name or "none"))
        task.action_send()
        self.assertFalse(task.sudo().activity_ids)
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))

    def test_a_new_owner_decides_about_a_task_that_is_being_sent(self):
        task = self._pending_task(self._make_template())
        task.sudo().scheduled_at = fields.Datetime.now()
        start_task(task.sudo())
        self._appoint(self.other, task)
        task = task.with_user(self.other)
        self.assertEqual((task.state, task.pause_reason), ("paused", "owner"))
        with self.assertRaisesRegex(UserError, "has not agreed"):
            task.with_user(self.admin).action_resume()
        self._run_cron()
        self.assertFalse(self.emulator.ledger(task.tag_name))
        task.action_resume()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))

    def test_the_same_owner_again_changes_nothing(self):
        task = self._pending_task(self._make_template())
        self._appoint(self.user, task)
        self.assertEqual(task.state, "pending")
