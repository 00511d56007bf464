"""Random people and random lines, against a plain evaluation in Python."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.tests import tagged

from ..common import DirectmailCommon
from ..common_encrypted import ALICE, ALICE_HEX, BOB, X
from ..common_upload import UploadMixin

CITIES = ("Bonn", "Köln", "Ulm")
EXAMPLES = 45
#: addresses that no contact has, in clear and encrypted; what can't be decrypted is told apart too
ADDRESSES = ["bare0@example.com", "bare1@example.com", "bare2@example.com", "alice@example.com",
             "x@y.cn", "nonsense", "more nonsense"]  # fmt: skip
ENCRYPTED = {ALICE: 3, ALICE_HEX: 3, X: 4, "nonsense": 5, "more nonsense": 6}
#: what each uploaded list holds: numbers of contacts, and of such addresses
UPLOADED = {"upload": ((1, 2, 6, 7), range(4)), "encrypted": ((10,), range(3, 7))}
#: in clear and encrypted: another person for lines, who gets one mail
TWICE = ("bare", 3)
#: the lines of an audience of contacts, leads and addresses
MIXED = [
    ("or", ("list", (3, 5, 6, 11))),
    ("or", ("leads", 0, 0)),
    ("or", ("upload",)),
    ("or", ("encrypted",)),
    ("except", ("list", (2,))),
]


@st.composite
def leaves(draw):
    """A line as (kind, what it says), in words of the tables below."""
    kinds = ["contacts", "leads", "list", "audience", "mixed", "task", *UPLOADED]
    kind = draw(st.sampled_from(kinds))
    if kind == "contacts":
        return kind, draw(st.sampled_from(CITIES)), draw(st.booleans())
    if kind == "leads":
        return kind, draw(st.integers(0, 3)), draw(st.sampled_from([0, 5, 15]))
    if kind == "list":
        return kind, tuple(draw(st.sets(st.integers(0, 11), max_size=6)))
    if kind == "task":
        return kind, draw(st.sampled_from(["delivered", "failed"]))
    return (kind,)


def lines(depth=2):
    """A list of (operator, line); a line may be a group."""
    line = leaves()
    if depth:
        line = st.one_of(line, st.tuples(st.just("group"), st.deferred(lambda: lines(depth - 1))))
    operators = st.sampled_from(["or", "and", "except"])
    return st.lists(st.tuples(operators, line), min_size=1, max_size=4)


@tagged("post_install", "-at_install")
class TestAudienceOracle(UploadMixin, DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._enter_key()
        cls.user.group_ids += cls.env.ref("sales_team.group_sale_salesman_all_leads")
        cls.leads_table = cls.env["directmail.data.table"].search([("preset", "=", "leads")])
        cls.people = cls.env["res.partner"].create(
            [
                {
                    "name": f"Person {n}",
                    "ref": "oracle",
                    "city": CITIES[n % 3],
                    "is_company": n % 2 == 0,
                    "active": n not in (4, 9),
                    "email": f"p{n}@example.com" if n % 5 else False,
                }
                for n in range(12)
            ]
        )
        # Some contacts have several leads, some leads have no contact, one an archived contact.
        owners = [0, 0, 0, 1, 1, 2, 4, None, None, None]
        cls.leads = cls.env["crm.lead"].create(
            [
                {
                    "name": f"oracle {n}",
                    "expected_revenue": 4 + n % 4,
                    "partner_id": cls.people[owner].id if owner is not None else False,
                    "email_from": False if owner is not None else f"lead{n}@example.com",
                }
                for n, owner in enumerate(owners)
            ]
        )
        cls.env["ir.rule"].create(
            {
                "name": "One is hidden",
                "model_id": cls.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {cls.people[5].id})]",
            }
        )
        cls.shared = cls._make_audience(cls.people[3:8], cls.admin, visibility="public")
        cls.shared.action_refresh()
        # as a member from before the line
        cls.visible = {n for n in range(12) if n not in (4, 5, 9)}
        cls.env.flush_all()

    def setUp(self):
        """Add two lists, an audience and a task with people who are no contacts.

        Then one lead is archived, so that nobody is told of it any more.
        """
        super().setUp()
        contacts, addresses = UPLOADED["upload"]
        emails = [self.people[n].email for n in contacts] + [ADDRESSES[n] for n in addresses]
        self.people[10].email_encrypted = BOB
        self.uploads = {
            "upload": self._upload("\n".join(["email", *emails, emails[0]])),
            "encrypted": self._upload("\n".join([BOB, *ENCRYPTED]), id_kind="encrypted"),
        }
        self.assertEqual(
            [(upload.people_count, upload.duplicate_count) for upload in self.uploads.values()],
            [(8, 1), (5, 1)],
        )
        self.lost = None
        self.mixed_people = {
            person
            for person in self._fold(MIXED)
            if person[0] != "contact" or person[1] in self.visible
        }
        self.mixed = self._make_audience(None, lines=[])
        self.mixed.sudo().line_ids = [fields.Command.create(vals) for vals in self._values(MIXED)]
        self.mixed.action_refresh()
        self.assertEqual(self._found(self.mixed), self.mixed_people)
        self.assertEqual(
            {person[0] for person in self.mixed_people}, {"contact", "lead", "bare", "encrypted"}
        )
        self.task = self._make_task(self.mixed)
        self.env.flush_all()
        for outcome, odd in (("delivered", 0), ("failed", 1)):
            members = self.mixed.sudo().member_ids.filtered(
                lambda member, odd=odd: (
                    self._person_of(member) != TWICE and self._person_of(member)[1] % 2 == odd
                )
            )
            self.env.cr.execute(
                """INSERT INTO directmail_delivery
                          (task_id, account_id, company_id, state, outcome, partner_id, res_model,
                           res_id, email, email_encrypted, address_key, lender_id)
                   SELECT %s, %s, %s, 'sent', %s, partner_id, res_model, res_id, email,
                          email_encrypted, COALESCE(address_key, id::text), %s
                     FROM directmail_audience_member WHERE id = ANY(%s)""",
                [
                    *(self.task.id, self.account.id, self.task.company_id.id, outcome),
                    *(self.user.id, members.ids),
                ],
            )
        self.lost = 9
        self.leads[self.lost].active = False

    # === THE ORACLE === #

    def _expected(self, described):
        return {
            person
            for person in self._fold(described)
            if person[0] != "contact" or person[1] in self.visible
        }

    def _fold(self, described):
        found = set()
        for number, (operator, line) in enumerate(described):
            people = self._people_of(line)
            if not number or operator == "or":
                found = found | people
            elif operator == "and":
                found = found & people
            else:
                found = found - people
        return found

    def _people_of(self, line):
        kind, *said = line
        if kind == "group":
            return self._fold(said[0])
        if kind == "contacts":
            city, company = said
            return {
                ("contact", n)
                for n, person in enumerate(self.people)
                if person.city == city and person.is_company == company
            }
        if kind == "list":
            return {("contact", n) for n in said[0]}
        if kind == "audience":
            return {("contact", n) for n in range(3, 8)}
        if kind in UPLOADED:
            contacts, addresses = UPLOADED[kind]
            sort = "bare" if kind == "upload" else "encrypted"
            return {("contact", n) for n in contacts} | {(sort, n) for n in addresses}
        if kind in ("mixed", "task"):
            return {
                person
                for person in self.mixed_people - {("lead", self.lost)}
                if kind == "mixed"
                or person != TWICE
                and person[1] % 2 == ["delivered", "failed"].index(said[0])
            }
        by_person = {}
        numbers = {person: n for n, person in enumerate(self.people)}
        for n, lead in enumerate(self.leads):
            if n == self.lost:
                continue
            contact = lead.partner_id
            person = ("contact", numbers[contact]) if contact else ("lead", n)
            by_person.setdefault(person, []).append(lead.expected_revenue)
        least, amount = said
        return {
            person
            for person, amounts in by_person.items()
            if len(amounts) >= least and sum(amounts) >= amount
        }

    # === THE PRODUCT === #

    def _values(self, described):
        return [
            {"sequence": number, "operator": operator, **self._line(line)}
            for number, (operator, line) in enumerate(described)
        ]

    def _line(self, line):
        kind, *said = line
        if kind == "group":
            commands = [fields.Command.create(child) for child in self._values(said[0])]
            return {"kind": "group", "child_ids": commands}
        if kind == "contacts":
            return {
                "domain": f"[('ref', '=', 'oracle'), ('city', '=', {said[0]!r}),"
                f" ('is_company', '=', {said[1]})]"
            }
        if kind == "list":
            picks = [fields.Command.create({"res_id": self.people[n].id}) for n in said[0]]
            return {"kind": "list", "pick_ids": picks}
        if kind == "audience":
            return {"kind": "audience", "source_id": self.shared.id}
        if kind == "mixed":
            return {"kind": "audience", "source_id": self.mixed.id}
        if kind == "task":
            return {"kind": "task", "task_id": self.task.id, "task_result": said[0]}
        if kind in UPLOADED:
            return {"kind": "upload", "upload_id": self.uploads[kind].id}
        return {
            "table_id": self.leads_table.id,
            "domain": "[('name', 'like', 'oracle')]",
            "min_count": said[0],
            "min_amount": said[1],
        }

    def _person_of(self, member):
        if member.partner_id:
            return "contact", self.people.ids.index(member.partner_id.id)
        if member.res_id:
            return "lead", self.leads.ids.index(member.res_id)
        if member.email:
            return "bare", ADDRESSES.index(member.email)
        return "encrypted", ENCRYPTED[member.email_encrypted]

    def _found(self, audience):
        found = [self._person_of(member) for member in audience.sudo().member_ids]
        self.assertEqual(len(found), len(set(found)), "nobody is in it twice")
        return set(found)

    def test_random_lines(self):
        audience = self._make_audience(None, lines=[])

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(lines())
        def check(described):
            expected = self._expected(described)
            commands = [fields.Command.clear()]
            commands += [fields.Command.create(vals) for vals in self._values(described)]
            audience.sudo().line_ids = commands
            counted = audience.count_all({})
            audience.action_refresh()
            self.assertFalse(audience.refresh_error)
            self.assertEqual(self._found(audience), expected)
            self.assertEqual(counted.get("people"), len(expected))
            self.assertEqual(audience.people_count, len(expected))

        check()
