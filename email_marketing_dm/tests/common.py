import importlib.util
from contextlib import nullcontext

from odoo import fields
from odoo.tests import TransactionCase, freeze_time, new_test_user
from odoo.tools import config, file_path

from directmail_emulator.testing import Emulator, EmulatorError

from ..engine.content import TOKEN_KIND, get_database_uuid
from ..models.delivery.directmail_delivery import REACTION_FIELDS
from ..privacy.tokens import make_token

#: seconds that only end what hangs: other tests may keep the processors busy meanwhile
PATIENCE = 300
ACCESS_KEY_ID = "LTAIEMULATOR"
ACCESS_KEY_SECRET = "emulator-secret"
BODY = """
<div>
    <p>Dear <t t-out="object.name">friend</t>,</p>
    <p>our spring collection is here.</p>
    <p>Azure Interior, 1 Orchard Road, Singapore. You get this mail because you are our customer.
       <a href="/unsubscribe_from_list">Unsubscribe</a> <a href="/view">View online</a></p>
</div>
"""


def run_migration(cr, path):
    """Run a script of `migrations`, such as "19.0.1.3.0/pre-content.py"."""
    spec = importlib.util.spec_from_file_location(
        "migration", file_path(f"email_marketing_dm/migrations/{path}")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.migrate(cr, "")


def start_task(task):
    """Prepare and plan a task in this transaction, as the cron does in two.

    :param task: a `directmail.task` record in an environment that may start it
    :return: whether the task is sending
    """
    return task._prepare() and task._launch()


#: emulators that no class uses now; they end with this process
idle_emulators = []


def take_emulator():
    """Return an emulator without data, of a process that another class may have used before."""
    return idle_emulators.pop() if idle_emulators else Emulator(detached=True).start()


def give_back(emulator):
    """Let the next class have an emulator, with nothing left in it."""
    try:
        idle_emulators.append(emulator.renew())
    except EmulatorError:  # a fault has ended it
        emulator.stop()


def make_user(env, login, groups):
    """Make a user as `new_test_user` does, but write no invitation, which would take longer."""
    user = new_test_user(env, login, groups, context={"no_reset_password": True})
    return user.with_env(env)


def make_users(env, **groups):
    """Make several users in half the time that `make_user` takes one by one.

    :param groups: the name of one group for each login
    """
    values = [
        {
            "name": f"{login} ({group})",
            "login": login,
            "password": login.ljust(8, "x"),
            "email": "d.d@example.com",
            "group_ids": [fields.Command.set(env.ref(group).ids)],
        }
        for login, group in groups.items()
    ]
    return env["res.users"].with_context(no_reset_password=True).create(values).with_env(env)


class DirectmailMixin:
    """A real emulator, an active account, a user and an administrator."""

    #: of tasks for which a test names no template; by default each has a new one
    task_template = None
    #: of requests and threads that wait for the test's one transaction, one after the other
    test_cursor_lock_timeout = PATIENCE

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.emulator = take_emulator()
        cls.addClassCleanup(give_back, cls.emulator)
        cls.admin, cls.user, cls.other = make_users(
            cls.env,
            dm_admin="email_marketing_dm.group_admin",
            dm_user="email_marketing_dm.group_user",
            dm_other="email_marketing_dm.group_user",
        )
        # It only ends what hangs: a mail without an answer in time would be unknown.
        cls.env["ir.config_parameter"].set_param("email_marketing_dm.read_timeout", str(PATIENCE))
        cls.account = cls._make_account()
        cls.account.action_activate()
        cls.sender = cls.account.sender_ids.filtered("ready")[0]
        cls.env.flush_all()

    def configure(self, **options):
        """Set options of the server's configuration until the end of the test."""
        for name, value in options.items():
            self.addCleanup(config.options.__setitem__, name, config.options.get(name))
            config[name] = value

    @classmethod
    def _request_handler(cls, session, request, /, **kw):
        # Odoo's handler compares the time-out with a number; the SDK gives (connect, read).
        if isinstance(kw.get("timeout"), tuple):
            kw["timeout"] = max(kw["timeout"])
        return super()._request_handler(session, request, **kw)

    @classmethod
    def _make_account(cls, **vals):
        return (
            cls.env["directmail.account"]
            .with_user(cls.admin)
            .create(
                {
                    "name": "Emulator",
                    "connection": "test",
                    "endpoint": cls.emulator.endpoint,
                    "access_key_id": ACCESS_KEY_ID,
                    "access_key_secret": ACCESS_KEY_SECRET,
                    "public_url": "https://www.example.com",
                    "tz": "Asia/Singapore",
                    "test_domains": "example.com",
                    **vals,
                }
            )
        )

    @classmethod
    def _make_quietly(cls, model, vals, user=None):
        """Make records without followers and notes in the chatter, which few tests look at.

        :param str model: name of a model
        :param vals: of `create`
        :param user: who makes them, and in whose environment they are returned
        """
        model = cls.env[model].with_user(user) if user else cls.env[model]
        return model.with_context(tracking_disable=True).create(vals).with_env(model.env)

    @classmethod
    def _make_people(cls, *emails, **vals):
        return cls._make_quietly(
            "res.partner",
            [{"name": f"Person {i}", "email": email, **vals} for i, email in enumerate(emails)],
        )

    @classmethod
    def _make_audience(cls, people, user=None, **vals):
        """Make an audience of these contacts, or of the ``lines`` given as a list of values."""
        lines = vals.pop("lines", None)
        if lines is None:
            lines = [{"domain": f"[('id', 'in', {people.ids})]"}]
        return cls._make_quietly(
            "directmail.audience",
            {
                "name": "Some people",
                "line_ids": [fields.Command.create(line) for line in lines],
                **vals,
            },
            user or cls.user,
        )

    @classmethod
    def _make_template(cls, approved=True, **vals):
        template = cls._make_quietly(
            "directmail.template",
            {
                "name": "Spring",
                "account_id": cls.account.id,
                "subject": "Spring is here, {{ object.name }}",
                "sender_name": "Azure Interior",
                "body_arch": BODY,
                "body_html": BODY,
                **vals,
            },
            cls.user,
        )
        if approved:
            template.action_submit()
            cls.emulator.approve(template.remote_ref)
            template.action_check_review()
        return template

    @classmethod
    def _make_task(cls, audience, template=None, **vals):
        return cls._make_quietly(
            "directmail.task",
            {
                "name": "Spring mailing",
                "account_id": cls.account.id,
                "audience_ids": [fields.Command.set(audience.ids)],
                "template_id": (template or cls.task_template or cls._make_template()).id,
                "sender_id": cls.sender.id,
                **vals,
            },
            cls.user,
        )

    def _run_cron(self, account=None, at=None):
        """Run an account's sending cron as the server would.

        :param datetime at: when, for what goes by the server's clock; now by default
        """
        cron = (account or self.account).sudo().cron_id
        self.env.flush_all()
        with self.enter_registry_test_mode(), freeze_time(at) if at else nullcontext():
            cron.method_direct_trigger()
        self.env.invalidate_all()

    def _import_results(self, task):
        """Let every mail of the emulator have its outcome, and import them."""
        self.emulator.flush_outcomes()
        task.action_import_results()

    @classmethod
    def _get_token(cls, delivery):
        """Return the token of a mail, which is in the addresses of its recipient's pages."""
        key = cls.env["directmail.keyring"]._get_master_key()
        return make_token(key, get_database_uuid(cls.env), TOKEN_KIND, delivery.id)

    @classmethod
    def _make_won_leads(cls):
        """Make a data table of won leads, with the date and the expected revenue."""
        return cls.env["directmail.data.table"].create(
            {
                "name": "Leads won",
                "model_id": cls.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
                "email_path": "email_normalized",
                "date_field": "date_closed",
                "amount_field": "expected_revenue",
                "domain": "[('stage_id.is_won', '=', True)]",
            }
        )

    def assertSumRule(self, task):
        """Everybody planned is in exactly one of the eight states, and the counters agree."""
        deliveries = self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        by_state = deliveries.grouped("state")
        for name, _label in deliveries._fields["state"].selection:
            self.assertEqual(task[f"{name}_count"], len(by_state.get(name, [])), name)
        self.assertEqual(task.people_count, len(deliveries))
        for name, _label in deliveries._fields["outcome"].selection:
            self.assertEqual(
                task[f"{name}_count"], len(deliveries.filtered(lambda d, n=name: d.outcome == n))
            )
        for name, field in REACTION_FIELDS.items():
            self.assertEqual(task[f"{name}_count"], len(deliveries.filtered(field)), name)


class DirectmailCommon(DirectmailMixin, TransactionCase):
    pass


class AudienceCommon(DirectmailCommon):
    """Four people, and a user who may read all leads."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob, cls.cat, cls.dan = cls.people = cls._make_people(
            "ann@example.com", "bob@example.com", "cat@example.com", False
        )
        cls.tables = cls.env["directmail.data.table"]
        cls.leads = cls.tables.search([("preset", "=", "leads")])
        cls.user.group_ids += cls.env.ref("sales_team.group_sale_salesman_all_leads")

    @classmethod
    def _only(cls, *people, **vals):
        ids = [person.id for person in people]
        return {"domain": f"[('id', 'in', {ids})]", **vals}

    def _refresh(self, audience):
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        return audience.member_ids

    def assertPeople(self, lines, *people):
        audience = self._make_audience(None, lines=lines)
        members = self._refresh(audience)
        self.assertEqual(sorted(members.partner_id.mapped("name")), sorted(p.name for p in people))
        self.assertEqual(audience.people_count, len(people))
        return audience
