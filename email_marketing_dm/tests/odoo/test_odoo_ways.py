"""Odoo's own dialogs and helpers lead nobody to a colleague's records of this app.

What such a dialog works on is said by a model and numbers, which anybody may type.
"""

from odoo.fields import Command
from odoo.tests import tagged

from ..common_ways import WaysCommon

AUDIENCES = "directmail.audience"
MEMBERS = "directmail.audience.member"
TITLE = "{{ object.display_name }}"
BODY = "<p><t t-out='object.display_name'/></p>"
NAMES = {"fields": {"display_name": {}}}
TODO = "mail.mail_activity_data_todo"


@tagged("post_install", "-at_install")
class TestOdooWays(WaysCommon):
    def _tries(self, field="id"):
        """Give (environment, model, id) of what neither intruder may read and has a field."""
        [hidden] = self.public.member_ids.filtered(lambda m: m.partner_id == self.hidden)
        records = (
            self.private, self.task, self.private.line_ids, self.private.member_ids[0], hidden,
        )  # fmt: skip
        for env in self._intruders():
            for record in records:
                if field in record._fields:
                    with self.subTest(env.user.login, model=record._name):
                        yield env, record._name, record.id

    def _try(self, function, *args, **kwargs):
        # Each call of a client starts with an empty cache.
        self.env.invalidate_all()
        return super()._try(function, *args, **kwargs)

    def _get_written(self, env, model, number, name="mail.message", link="model"):
        """Return what a user has attached to a record."""
        here = [(link, "=", model), ("res_id", "=", number), ("create_uid", "=", env.uid)]
        return env[name].sudo().search(here)

    # === MESSAGES === #

    def test_composer(self):
        for env, model, number in self._tries():
            for mode in ("comment", "mass_mail"):
                values = {
                    "model": model,
                    "res_ids": f"[{number}]",
                    "composition_mode": mode,
                    "subject": TITLE,
                    "body": BODY,
                    "partner_ids": [Command.set(env.user.partner_id.ids)],
                }
                self.assertTellsNothing(self._compose, env, values)
                self.assertTellsNothing(self._compose_and_send, env, values)
                self.assertTellsNothing(
                    env["mail.compose.message"].onchange, values, ["res_ids"],
                    {"subject": {}, "body": {}, "partner_ids": NAMES},
                )  # fmt: skip
            if "message_ids" in env[model]._fields:
                self.assertFalse(self._get_written(env, model, number))

    def _compose(self, env, values):
        return env["mail.compose.message"].create(values).read()

    def _compose_and_send(self, env, values):
        mails, messages = env["mail.compose.message"].create(values)._action_send_mail()
        return mails.sudo().read(["subject", "body_html"]), messages.sudo().mapped("body")

    def test_messages_in_other_ways(self):
        for env, model, number in self._tries():
            for way in (self._schedule_message, self._preview_template, self._send_template,
                        self._send_sms):  # fmt: skip
                self.assertTellsNothing(way, env, model, number)

    def _schedule_message(self, env, model, number):
        values = {"model": model, "res_id": number, "body": "x", "scheduled_date": "2030-01-01"}
        return (
            env["mail.scheduled.message"]
            .create({**values, "author_id": env.user.partner_id.id})
            .read()
        )

    def _make_mail_template(self, env, model):
        return env["mail.template"].create(
            {
                "name": "Mine",
                "model_id": env["ir.model"]._get_id(model),
                "subject": TITLE,
                "body_html": BODY,
                "email_to": "mine@example.com",
            }
        )

    def _preview_template(self, env, model, number):
        template = self._make_mail_template(env, model)
        values = {"mail_template_id": template.id, "resource_ref": f"{model},{number}"}
        return env["mail.template.preview"].create(values).read()

    def _send_template(self, env, model, number):
        mail = self._make_mail_template(env, model).send_mail(number)
        return env["mail.mail"].sudo().browse(mail).read(["subject", "body_html"])

    def _send_sms(self, env, model, number):
        composer = env["sms.composer"].create(
            {
                "res_model": model,
                "res_id": number,
                "res_ids": f"[{number}]",
                "composition_mode": "comment",
                "body": TITLE,
            }
        )
        return composer.read(), composer.action_send_sms()

    def test_followers_dialog(self):
        for env, model, number in self._tries("message_ids"):
            record = self.env[model].browse(number)
            before = record.message_partner_ids
            for operation, user in (("add", env.user), ("remove", self.user)):
                dialog = env["mail.followers.edit"].create(
                    {
                        "res_model": model,
                        "res_ids": f"[{number}]",
                        "operation": operation,
                        "partner_ids": [Command.set(user.partner_id.ids)],
                        "notify": True,
                    }
                )
                self.assertTellsNothing(dialog.edit_followers)
            record.invalidate_recordset()
            self.assertEqual(record.message_partner_ids, before)

    # === ACTIVITIES AND EVENTS === #

    def test_activities(self):
        for env, model, number in self._tries("activity_ids"):
            for way in (self._schedule_activity, self._create_activity, self._move_activity):
                self.assertTellsNothing(way, env, model, number)
            self.assertFalse(self._get_written(env, model, number, "mail.activity", "res_model"))

    def _schedule_activity(self, env, model, number):
        dialog = env["mail.activity.schedule"].create(
            {
                "res_model": model,
                "res_ids": f"[{number}]",
                "activity_type_id": env.ref(TODO).id,
                "activity_user_id": env.uid,
            }
        )
        return dialog.action_schedule_activities()

    def _create_activity(self, env, model, number):
        return (
            env["mail.activity"]
            .create(
                {
                    "res_model_id": env["ir.model"]._get_id(model),
                    "res_id": number,
                    "activity_type_id": env.ref(TODO).id,
                    "user_id": env.uid,
                }
            )
            .read()
        )

    def _move_activity(self, env, model, number):
        own = env[AUDIENCES].create({"name": "Mine"})
        activity = own.activity_schedule(TODO, user_id=env.uid)
        activity.write({"res_id": number, "res_model_id": env["ir.model"]._get_id(model)})
        env.flush_all()
        return activity.read()

    def test_an_activity_is_moved_to_an_own_record(self):
        first, second = (
            self.env[AUDIENCES].with_user(self.other).create([{"name": "One"}, {"name": "Two"}])
        )
        activity = first.activity_schedule(TODO, user_id=self.other.id)
        activity.write({"res_id": second.id})
        self.env.invalidate_all()
        self.assertEqual(second.activity_ids, activity)

    def test_events(self):
        for env, model, number in self._tries():
            self.assertTellsNothing(self._create_event, env, model, number)

    def _create_event(self, env, model, number):
        values = {"name": "x", "start": "2030-01-01", "stop": "2030-01-01", "res_id": number}
        return (
            env["calendar.event"]
            .create({**values, "res_model_id": env["ir.model"]._get_id(model)})
            .read()
        )

    # === FILES AND CONTACTS === #

    def test_import(self):
        for env, model, number in self._tries():
            for columns, row in (
                ((".id", "name"), (number, "Stolen")),
                (("name", "line_ids/.id", "line_ids/domain"), ("Mine", number, "[]")),
                (("name", "source_id/.id"), ("Mine", number)),
                (("audience_id/.id", "domain"), (self.private.id, "[]")),
                (("name", "audience_ids/.id"), ("Mine", self.private.id)),
            ):
                for dryrun in (True, False):
                    self.assertTellsNothing(self._import, env, model, columns, row, dryrun)
        self.env.invalidate_all()
        self.assertEqual(self.private.name, "Numbats")
        self.assertEqual(self.task.name, "To the numbats")
        self.assertEqual(self.private.line_ids.audience_id, self.private)
        self.assertEqual(len(self.private.line_ids), 1)

    def _import(self, env, model, columns, row, dryrun):
        lines = [",".join(columns), ",".join(f'"{value}"' for value in row)]
        importer = env["base_import.import"].create(
            {
                "res_model": model,
                "file": "\n".join(lines).encode(),
                "file_type": "text/csv",
                "file_name": "a.csv",
            }
        )
        options = {"has_headers": True, "quoting": '"', "separator": ","}
        preview = importer.parse_preview(options).get("preview")
        return preview, importer.execute_import([*columns], [*columns], options, dryrun)

    def test_attachments(self):
        attachment = self.env["ir.attachment"].search([("name", "=", "numbats.csv")])
        for env in self._intruders():
            mine = env["ir.attachment"].create({"name": "mine", "raw": b"x"})
            theirs = attachment.with_env(env)
            self.assertRefused(theirs.generate_access_token)
            self.assertRefused(theirs.copy)
            self.assertRefused(theirs.write, {"res_model": False, "res_id": False})
            self.assertRefused(mine.write, {"res_model": AUDIENCES, "res_id": self.private.id})
            contact = env["res.partner"].browse(env.user.partner_id.id)
            self.assertRefused(contact.message_post, body="x", attachment_ids=theirs.ids)
            values = {"model": "res.partner", "res_ids": f"{contact.ids}", "body": "x"}
            attached = {"attachment_ids": [Command.set(theirs.ids)]}
            self.assertRefused(self._compose_and_send, env, {**values, **attached})
            self.assertFalse(attachment.access_token)

    def test_merging_contacts(self):
        for env in self._intruders():
            self.assertRefused(
                env["base.partner.merge.automatic.wizard"].create,
                {"partner_ids": [Command.set((self.hidden + self.shown).ids)]},
            )

    def test_optouts(self):
        """A colleague finds only those opt-outs whose person she may see, without the task."""
        self.env.cr.execute(
            """INSERT INTO directmail_optout
                      (company_id, address_key, email, partner_id, origin, task_id)
               SELECT %(company)s, md5(p.email), p.email, p.id, 'page', %(task)s
                 FROM res_partner p WHERE p.id = ANY(%(people)s)
                UNION ALL
               SELECT %(company)s, md5('b'), 'wombat-bare@example.com', NULL, 'page', %(task)s
                UNION ALL
               SELECT %(company)s, md5('c'), NULL, %(encrypted)s, 'page', %(task)s""",
            {
                "company": self.env.company.id,
                "task": self.task.id,
                "encrypted": self.encrypted.id,
                "people": (self.hidden + self.shown).ids,
            },
        )
        spec = {"email": {}, "partner_id": NAMES, "task_id": NAMES}
        for env in self._intruders():
            optouts = env["directmail.optout"]
            found = optouts.search([])
            seen = self.shown + self.encrypted if env.user == self.other else self.hidden.browse()
            self.assertEqual(found.partner_id, seen)
            self.assertTellsNothing(found.read)
            self.assertTellsNothing(optouts.name_search, "wombat")
            self.assertTellsNothing(optouts.name_search, "")
            self.assertTellsNothing(optouts.web_search_read, [], spec)
            for name in spec:
                self.assertTellsNothing(optouts.formatted_read_group, [], [name], ["__count"])
