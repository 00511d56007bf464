"""Every way at what somebody may not know, tried for everything that is secret.

Things: the secrets (AccessKey secret, AES key), the address of an encrypted contact, a contact that
a record rule hides, and a colleague's private audience. The ways are the test methods. What needs
a browser, a finished task or the files of a server is elsewhere:

==================  ==============================================================================
way                 where
==================  ==============================================================================
downloads           `test_audience_download`, `test_optout_file`, `test_upload_people`
public pages        `test_recipient_pages`, `test_public_pages`
what mails tell     `test_template_values` (relations), `test_template_test` (test mails)
estimates           `test_task_estimate`
results             `test_task_report`, `test_rfm_use` (contacts), `test_aipl`
logs, dump, files   `tests/server/test_privacy.py`, `test_master_key` (the pads of address keys)
remote calls        `tests/server/test_rights.py` (every operation and method by every role)
==================  ==============================================================================
"""

import logging

from odoo.fields import NO_ACCESS, Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..common_ways import MARKS, WaysCommon

#: Where Odoo keeps what belongs to our records, and which of it.
BESIDE = {
    "ir.attachment": [("res_model", "=like", "directmail.%")],
    "mail.message": [],
    "mail.followers": [],
    "mail.tracking.value": [],
    "mail.activity": [],
    "res.partner": [],
    "mail.blacklist": [],
    "link.tracker": [],
    "link.tracker.click": [],
}
#: Fields of which nothing may be had at all; others that are marked so are tried as well.
SECRETS = {
    ("directmail.account", "access_key_secret_sealed"),
    ("directmail.account", "security_token_sealed"),
    ("directmail.aes.key", "key_sealed"),
    ("directmail.delivery", "address_key"),
    ("directmail.optout", "address_key"),
    ("res.partner", "email_encrypted_key"),
}


@tagged("post_install", "-at_install")
class TestWays(WaysCommon):
    def _secret_paths(self):
        """Give (model, path) of every field that nobody may read, also through relations."""

        def secrets(name):
            fields = self.env[name]._fields.values()
            return [field.name for field in fields if field.groups == NO_ACCESS and field.store]

        for name in (*self.ours, "res.partner", "mail.blacklist"):
            if self.env[name]._abstract:
                continue
            yield from ((name, secret) for secret in secrets(name))
            if name in self.ours:
                for field in self.env[name]._fields.values():
                    if field.relational and field.store and field.comodel_name in self.env:
                        for secret in secrets(field.comodel_name):
                            yield name, f"{field.name}.{secret}"

    # === WAYS === #

    def test_the_marks_are_found_by_those_who_may(self):
        """Positive control of the tests below."""
        env = self._as(self.user)
        self.assertIn("wombat", str(env["res.partner"].search([]).mapped("email")))
        self.assertIn("Numbats", env["directmail.audience"].search([]).mapped("name"))
        self.assertIn("Numbats", str(env["mail.message"].search([]).mapped("body")))

    def test_read(self):
        """Field by field: related and computed ones, attachments, messages, followers too."""
        for env in self._intruders():
            for name in (*self.ours, *BESIDE):
                if self.env[name]._abstract:
                    continue
                for field in self.env[name]._fields:
                    with mute_logger("odoo.models"):
                        self.assertTellsNothing(
                            env[name].search_read, BESIDE.get(name, []), [field]
                        )

    def test_search_order_and_group_by_secrets(self):
        paths = list(self._secret_paths())
        self.assertLessEqual(SECRETS, set(paths))
        for env in self._intruders():
            for name, path in paths:
                model = env[name]
                self.assertRefused(model.search_count, [(path, "=like", "a%")])
                self.assertRefused(model.search, [], order=path)
                self.assertRefused(model.formatted_read_group, [], [path], ["__count"])
                if "." not in path:
                    self.assertRefused(
                        model.formatted_read_group, [], [], [f"{path}:count_distinct"]
                    )

    def test_export_and_import_of_secrets(self):
        for env in self._intruders():
            for name, path in self._secret_paths():
                records = self.env[name].sudo().search([], limit=3).with_env(env)
                # Nothing is read, nor refused, behind a relation that is empty.
                if records.sudo().mapped(path.partition(".")[0] if "." in path else "id"):
                    self.assertRefused(records.export_data, [path.replace(".", "/")])
                    if "." not in path:
                        before = records.sudo().mapped(path)
                        row = [str(records[0].id), "x"]
                        self.assertTellsNothing(env[name].load, [".id", path], [row])
                        self.assertEqual(records.sudo().mapped(path), before)

    def test_export_of_what_is_hidden(self):
        for env in self._intruders():
            for record in (self.hidden, self.private, self.task, self.private.member_ids):
                self.assertRefused(record.with_env(env).export_data, ["id", "display_name"])
            members = self.public.member_ids.with_env(env)
            self.assertTellsNothing(members.export_data, ["partner_id/email", "partner_id/name"])

    def test_name_search(self):
        for env in self._intruders():
            for name in (*self.ours, *BESIDE):
                if not self.env[name]._abstract:
                    for word in ("wombat", "numbat", "alice"):
                        self.assertTellsNothing(env[name].name_search, word)

    def test_chatter_and_followers(self):
        for env in self._intruders():
            for record in (self.private.with_env(env), self.task.with_env(env)):
                self.assertRefused(record.message_post, body="Who is in it?")
                self.assertTellsNothing(record.message_subscribe, env.user.partner_id.ids)
                self.assertNotIn(env.user.partner_id, record.sudo().message_partner_ids)
                self.assertRefused(record.read, ["message_ids", "message_follower_ids"])
            messages = self.private.message_ids.with_env(env)
            self.assertRefused(messages.read, ["body"])
            follower = {"res_model": self.private._name, "res_id": self.private.id}
            self.assertRefused(
                env["mail.followers"].create, {**follower, "partner_id": env.user.partner_id.id}
            )

    def test_attachments(self):
        attachment = self.env["ir.attachment"].search([("name", "=", "numbats.csv")])
        for env in self._intruders():
            self.assertRefused(attachment.with_env(env).read, ["name", "raw"])
            self.assertFalse(env["ir.attachment"].search([("name", "=", "numbats.csv")]))

    def test_counts(self):
        """Neither the number nor the refusal of a live count tells what a line may not ask."""
        env = self._as(self.other)
        audience = self._make_audience(self.shown, user=self.other).with_env(env)

        def count(**line):
            return audience.count_all({"line_ids": [Command.clear(), Command.create(line)]})

        for domain, people in (
            ("[('email', '=like', 'wombat%')]", 0),
            ("[('name', 'ilike', 'hidden')]", 0),
            ("[('email', '=like', 'ann@%')]", 1),
        ):
            self.assertEqual(count(domain=domain).get("people"), people, domain)
        for domain in (
            "[('email_encrypted_key', '=like', 'a%')]",
            "[('user_ids.password', '=like', 'a%')]",
        ):
            self.assertIn("error", count(domain=domain), domain)
        self.assertTellsNothing(count, kind="audience", source_id=self.private.id)
        self.assertIn("error", count(kind="audience", source_id=self.private.id))

    def test_previews_and_test_mails(self):
        template = self._make_template(approved=False, user_id=self.user.id)
        for user in (self.other, self.far):
            with self.subTest(user.login):
                mine = template.with_env(self._as(user))
                self.assertRefused(mine.preview_content, {}, self.hidden.id)
        mine = template.with_env(self._as(self.other))
        self.assertTellsNothing(mine.preview_content, {}, self.encrypted.id)
        dialogs = mine.env["directmail.template.test"]
        self.assertRefused(
            lambda: dialogs.create(
                {
                    "template_id": template.id,
                    "sender_id": self.sender.id,
                    "partner_id": self.hidden.id,
                    "user_ids": [Command.set(self.other.ids)],
                }
            ).action_send()
        )

    def test_logs(self):
        """What is asked and refused leaves nothing in the log either."""
        for user in (self.user, self.other, self.far):
            env = self._as(user)
            with self.assertLogs("odoo", logging.INFO) as log:
                logging.getLogger(__name__).info("so that there is something")
                for name in self.ours:
                    if not self.env[name]._abstract:
                        self._try(env[name].search_read, [])
                self._try(self.private.with_env(env).count_all, {})
                self._try(self.task.with_env(env).action_send)
            told = "\n".join(log.output).lower()
            self.assertEqual([mark for mark in MARKS[:3] if mark.lower() in told], [])
