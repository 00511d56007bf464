"""Random users, record rules, companies and audiences: nobody learns more than Odoo itself tells.

Whatever a reader finds out about contacts through this product (members, deliveries, exports,
counts, previews) is compared with what the same reader gets of plain contacts.
"""

import os

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..common import DirectmailCommon

USER = "email_marketing_dm.group_user"
ADMIN = "email_marketing_dm.group_admin"
DOWNLOAD = "email_marketing_dm.group_download"
LEADS = "sales_team.group_sale_salesman_all_leads,base.group_allow_export"
PEOPLE, USERS = 6, 3
# A long run asks for more; each example takes about a second.
EXAMPLES = int(os.environ.get("DIRECTMAIL_MODEL_EXAMPLES") or 12)
SEED = os.environ.get("DIRECTMAIL_MODEL_SEED")
#: What may hide contacts, as domains of record rules.
HIDING = (
    "[]",
    "['|', ('user_id', '=', False), ('user_id', '=', user.id)]",
    "[('ref', '!=', 'vip')]",
    "[('parent_id', '=', False)]",
)

companies = st.sampled_from([(0,), (1,), (0, 1)])
contacts = st.fixed_dictionaries(
    {
        "company": st.sampled_from([None, None, 0, 1]),
        "salesperson": st.sampled_from([None, None, *range(USERS)]),
        "ref": st.sampled_from([False, "vip"]),
        "active": st.sampled_from([True, True, True, False]),
        "child": st.booleans(),
    }
)
domains = st.sampled_from(
    [
        "[('email', 'like', 'subset')]",
        "[('name', 'like', 'Subset')]",
        "[('ref', '=', 'vip')]",
        "[('child_ids.name', 'like', 'Subset')]",
        "[('parent_id.email', 'like', 'subset')]",
        "[('active', 'in', [True, False]), ('email', 'like', 'subset')]",
        "['!', ('ref', '=', 'vip')]",
    ]
)
audiences = st.fixed_dictionaries(
    {
        "owner": st.integers(0, USERS - 1),
        "visibility": st.sampled_from(["private", "public"]),
        "domain": domains,
    }
)
worlds = st.fixed_dictionaries(
    {
        "contacts": st.lists(contacts, min_size=PEOPLE, max_size=PEOPLE),
        "users": st.lists(
            st.tuples(companies, st.sampled_from([USER, ADMIN])), min_size=USERS, max_size=USERS
        ),
        "rule": st.sampled_from(HIDING),
        "audiences": st.lists(audiences, min_size=1, max_size=3),
    }
)


@tagged("post_install", "-at_install")
class TestSubset(DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.companies = cls.env.company + cls.env["res.company"].create({"name": "Second"})
        cls.users = [
            new_test_user(cls.env, f"subset_{number}", f"{USER},{DOWNLOAD},{LEADS}")
            for number in range(USERS)
        ]
        cls.template = cls._make_template(approved=False)
        cls.rule = cls.env["ir.rule"].create(
            {
                "name": "Random",
                "model_id": cls.env["ir.model"]._get_id("res.partner"),
                "domain_force": "[]",
            }
        )

    def test_nobody_learns_more_than_odoo_tells(self):
        @settings(
            max_examples=EXAMPLES,
            derandomize=not SEED,
            deadline=None,
            database=None,
            # Looking for a smaller example takes minutes; a long run may.
            phases=(Phase.generate, Phase.shrink) if SEED else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        @given(worlds)
        def check(world):
            savepoint = self.env.cr.savepoint()
            try:
                self._build(world)
                for user in self.users:
                    self._ask(user)
            finally:
                savepoint.rollback()
                savepoint.close(rollback=False)
                self.env.registry.clear_cache()
                self.env.invalidate_all()

        (seed(int(SEED))(check) if SEED else check)()

    def _build(self, world):
        """Make what was drawn; a company, salesperson or owner is named by its number."""
        admin = self.env.ref(ADMIN)
        for user, (numbers, group) in zip(self.users, world["users"], strict=True):
            mine = self.companies.browse([self.companies[number].id for number in numbers])
            user.write(
                {
                    "company_ids": [fields.Command.set(mine.ids)],
                    "company_id": mine[0].id,
                    "group_ids": [
                        (fields.Command.link if group == ADMIN else fields.Command.unlink)(admin.id)
                    ],
                }
            )
        parent = self.env["res.partner"].create({"name": "Subset parent", "ref": "vip"})
        self.people = self.env["res.partner"].create(
            [
                {
                    "name": f"Subset{number}x",
                    "email": f"subset{number}x@example.com",
                    "ref": drawn["ref"],
                    "active": drawn["active"],
                    "parent_id": drawn["child"] and parent.id,
                    "company_id": drawn["company"] is not None
                    and self.companies[drawn["company"]].id,
                    "user_id": drawn["salesperson"] is not None
                    and self.users[drawn["salesperson"]].id,
                }
                for number, drawn in enumerate(world["contacts"])
            ]
        )
        self.env["crm.lead"].create(
            [
                {
                    "name": f"lead{number}x",
                    "partner_id": person.id,
                    "company_id": person.company_id.id,
                }
                for number, person in enumerate(self.people)
            ]
        )
        # The audiences are refreshed while everybody is seen: who is hidden later stays a member.
        self.audiences = self.env["directmail.audience"]
        for drawn in world["audiences"]:
            owner = self.users[drawn["owner"]]
            audience = self._make_audience(
                None, owner, lines=[{"domain": drawn["domain"]}], company_id=owner.company_id.id,
                visibility=drawn["visibility"],
            )  # fmt: skip
            audience.action_refresh()
            self.audiences += audience
        self.rule.domain_force = world["rule"]
        self.env.flush_all()

    def _ask(self, user):
        """Let a user try everything, and compare with what Odoo tells the same user."""
        self.env.invalidate_all()
        env = self.env(
            user=user.id,
            su=False,
            context={"allowed_company_ids": user.company_ids.ids, "active_test": False},
        )
        seen = env["res.partner"].search([("id", "in", self.people.ids)])
        hidden = [person for person in self.people if person.id not in seen.ids]
        told = "\n".join(str(answer) for answer in self._answers(env))
        for person in hidden:
            for mark in (person.sudo().email, person.sudo().name):
                self.assertNotIn(mark, told, user.login)
        self._check_counts(env)

    def _answers(self, env):
        """Give everything that the product tells a user of contacts."""
        self._use_public_audiences(env)
        for model in ("directmail.audience.member", "directmail.delivery"):
            lines = env[model]
            for name, field in lines._fields.items():
                if field.groups is None:
                    yield self._try(lines.search_read, [], [name])
            yield self._try(lines.search([]).export_data, ["partner_id/name", "partner_id/email"])
            yield self._try(lines.search([]).export_data, ["display_name", "email"])
            yield self._try(lines.formatted_read_group, [], ["partner_id"], ["__count"])
            yield self._try(lines.name_search, "subset")
        yield self._try(env["directmail.optout"].search_read, [])
        for audience in self.audiences.with_env(env):
            for method in ("action_view_members", "action_view_entered", "action_download"):
                yield self._try(getattr(audience, method))
            yield self._try(audience.count_all, {})
            yield self._try(audience.read, ["name", "people_count", "refresh_error"])
        template = self.template.with_env(env)
        for person in self.people:
            yield self._try(template.preview_content, {}, person.id)

    def _use_public_audiences(self, env):
        """Make an audience of what colleagues share, and a task with deliveries to everybody."""
        shared = env["directmail.audience"].search(
            [("visibility", "=", "public"), ("company_id", "=", env.user.company_id.id)]
        )
        if shared:
            lines = [{"kind": "audience", "source_id": source.id} for source in shared]
            mine = self._make_audience(None, env.user, lines=lines, name="Of others")
            self._try(mine.action_refresh)
        if self.account.company_id in env.user.company_ids:
            task = self.env["directmail.task"].with_user(env.user)
            task = task.create({"name": "Mine", "account_id": self.account.id})
            self.env["directmail.delivery"].sudo().create(
                [
                    {
                        "task_id": task.id,
                        "account_id": self.account.id,
                        "company_id": self.account.company_id.id,
                        "partner_id": person.id,
                        "email": person.email,
                        "address_key": f"key {person.id}",
                        "state": "sent",
                    }
                    for person in self.people
                ]
            )

    def _check_counts(self, env):
        """A live count is what Odoo itself counts; through other records it is no more."""
        company = env.user.company_id
        inside = env(context={"allowed_company_ids": company.ids})
        mine = self._make_audience(None, env.user, lines=[], company_id=company.id).with_env(env)
        leads = self.env["directmail.data.table"].search([("preset", "=", "leads")])

        def count(**line):
            line = fields.Command.create(line)
            counted = mine.count_all({"line_ids": [fields.Command.clear(), line]})
            self.assertNotIn("error", counted)
            return counted["people"]

        for number, person in enumerate(self.people):
            plain = inside["res.partner"].search_count([("id", "=", person.id)])
            by_email = count(domain=f"[('email', '=', 'subset{number}x@example.com')]")
            by_lead = count(table_id=leads.id, domain=f"[('name', '=', 'lead{number}x')]")
            self.assertEqual(by_email, plain, env.user.login)
            self.assertLessEqual(by_lead, plain, env.user.login)

    def _try(self, function, *args):
        try:
            with self.env.cr.savepoint():
                return function(*args)
        except (AccessError, UserError) as error:
            return error
