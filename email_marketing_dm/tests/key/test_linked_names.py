"""A record that somebody may read does not name what they may not read."""

import warnings

from odoo.tests import tagged

from ..common import AudienceCommon

TASK = {"task_id": {"fields": {"display_name": {}}}}
NAME = "Layoffs in May"


@tagged("post_install", "-at_install")
class TestLinkedNames(AudienceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.private = cls._make_audience(cls.ann, name=NAME)
        cls.template = cls._make_template()
        cls.task = cls._make_task(cls.private, cls.template, name=NAME)
        cls.upload = cls.env["directmail.upload"].with_user(cls.user).create(
            {"name": NAME, "source": "paste", "pasted": "ann@example.com"}
        )  # fmt: skip
        lines = [
            {"kind": "audience", "source_id": cls.private.id},
            {"kind": "task", "task_id": cls.task.id},
        ]
        cls.public = cls._make_audience(None, name="Staff", lines=lines, visibility="public")
        cls.env.flush_all()
        # A list can be used once it is matched, which is not what this is about.
        cls.env.cr.execute(
            "UPDATE directmail_audience_line SET upload_id = %s WHERE id = %s",
            [cls.upload.id, cls.public.line_ids[0].id],
        )
        cls.env.cr.execute(
            """INSERT INTO directmail_optout
                      (company_id, address_key, email, partner_id, origin, task_id)
               VALUES (%s, 'key', 'ann@example.com', %s, 'page', %s)""",
            [cls.env.company.id, cls.ann.id, cls.task.id],
        )

    def _read_everything(self, user):
        """Give (way, what it tells) of the audience's lines and of the opt-outs."""
        self.env.invalidate_all()
        env = self.env(user=user.id, su=False)
        lines = self.public.line_ids.with_env(env)
        optouts = env["directmail.optout"].search([("partner_id", "=", self.ann.id)])
        self.assertTrue(optouts)
        links = ("source_id", "task_id", "upload_id")
        spec = {name: {"fields": {"display_name": {}}} for name in links}
        yield "read", lines.read() + optouts.read()
        yield "web_read", lines.web_read(spec) + optouts.web_read(TASK)
        yield (
            "through the audience",
            self.public.with_env(env).web_read({"line_ids": {"fields": spec}}),
        )
        yield "search", optouts.web_search_read([], TASK)
        for link in links:
            yield (
                f"group by {link}",
                lines.formatted_read_group([("id", "in", lines.ids)], [link], ["__count"]),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # clients may still call it
                yield (
                    f"old groups by {link}",
                    lines.read_group([("id", "in", lines.ids)], ["id"], [link]),
                )
        yield "groups", optouts.web_read_group([], ["task_id"], ["__count"])

    def test_the_owner_reads_the_names(self):
        for way, told in self._read_everything(self.user):
            with self.subTest(way):
                self.assertIn(NAME, str(told))

    def test_a_colleague_reads_that_there_is_something(self):
        for way, told in self._read_everything(self.other):
            with self.subTest(way):
                self.assertNotIn(NAME, str(told))

    def test_the_number_stays(self):
        """So that the line can be told from an empty one, and a form that is saved is unchanged."""
        line = self.public.line_ids[0].with_user(self.other)
        [values] = line.web_read({"source_id": {"fields": {"display_name": {}}}})
        self.assertEqual(
            values["source_id"], {"id": self.private.id, "display_name": "Not visible to you"}
        )

    def test_the_place_in_a_list_does_not_tell_the_name(self):
        """Sorted among audiences with chosen names, the place would tell letter by letter."""
        chosen = [
            self._make_audience(self.ann, self.other, name=name) for name in ("Layoffs", "Layup")
        ]
        lines = self.public.line_ids[0]
        for source in chosen:
            line = {"kind": "audience", "source_id": source.id}
            lines += self._make_audience(None, self.other, lines=[line]).line_ids
        hidden, first, last = lines
        wanted = [("id", "in", lines.ids)]
        seen = lines.browse().with_user(self.other)
        for order, expected in {
            "source_id": first + last + hidden,
            "source_id desc": hidden + last + first,
            "source_id desc nulls last": last + first + hidden,
            "source_id nulls first": hidden + first + last,
        }.items():
            with self.subTest(order):
                self.assertEqual(seen.search(wanted, order=order), expected)
                groups = seen.formatted_read_group(wanted, ["source_id"], ["__count"], order=order)
                self.assertEqual(
                    [group["source_id"][0] for group in groups], expected.source_id.ids
                )
        self.assertEqual(
            seen.with_user(self.user).sudo().search(wanted, order="source_id"),
            first + hidden + last,
        )
