"""Build the mail to one person: the approved content with the person's values, and headers."""

import hashlib
import time
from collections import namedtuple
from functools import lru_cache

from odoo.tools import SQL

from ..content.lengths import cut_units
from ..content.placeholders import assemble, fit_subject, unescaped_value
from ..content.plaintext import TextPart
from ..directmail.records import Mail
from ..privacy.tokens import make_token, read_token
from .claim import FREE_AT

TOKEN_KIND = "d"
#: System parameter with a random id of this installation, set by `post_init_hook`.
INSTALLATION = "email_marketing_dm.installation"
# The attributes that `directmail.template._get_values` reads of a person.
Person = namedtuple("Person", "id partner_id res_model res_id")
# Values are read in advance for AHEAD people and used for at most AHEAD_SECONDS. At the usual rate
# of 80 mails a second, 400 people last 5 seconds.
AHEAD = 400
AHEAD_SECONDS = 5


class MailBuilder:
    """Makes the mails of one account.

    The parts that all mails of a task share (`_read_task`) are read once per run, because a task's
    content can't change while it is being sent.

    :param account: a `directmail.account` record
    """

    def __init__(self, account):
        self.master_key = account.env["directmail.keyring"]._get_master_key()
        self.uuid = get_database_uuid(account.env)
        self.public_url = (account.public_url or "").rstrip("/")
        self.content_mode = account.content_mode
        # Read once per run: behaviors that First contact finds out later apply to the next run.
        self.behaviors = account._get_behaviors()
        self._unsubscribe = get_unsubscribe_options(account)
        self._company = account.company_id
        self._reader = None
        self._tasks = {}
        self._ahead = {}

    def build(self, env, task_id, rows):
        """Return the mails for people of one task.

        :param rows: a list of `engine.claim.Claimed`
        :return: {delivery id: `directmail.records.Mail`}, without deliveries whose encrypted
            address can't be decrypted any more
        :raise UserError: see `_get_values`
        """
        task = env["directmail.task"].browse(task_id)
        fixed = self._tasks.get(task_id) or self._tasks.setdefault(task_id, _read_task(task))
        values = self._get_values(task, rows)
        return {
            row.id: self._make(fixed, row, address, values[row.id])
            for row in rows
            if (address := self._get_address(env, row))
        }

    def _get_values(self, task, rows):
        """Return {delivery id: {variable: text}}.

        `build` gets a few people at a time, many times a second. So the values of the next `AHEAD`
        people are read along with theirs, and kept for `AHEAD_SECONDS`.

        :raise UserError: if a user has left whose rights the placeholders are read with
        """
        known, read_at = self._ahead.get(task.id, ({}, 0))
        if time.monotonic() - read_at > AHEAD_SECONDS:
            known = {}
        missing = [row for row in rows if row.id not in known]
        if missing:
            task._check_lenders()
            people = missing + get_next_in_line(task, AHEAD)
            fresh = task.template_id._get_values(people, reader=task.user_id)
            self._ahead[task.id] = fresh, time.monotonic()
            known = known | fresh
        return {row.id: known[row.id] for row in rows}

    def _get_address(self, env, row):
        """Return the clear address, or None if an encrypted one can't be read or has changed.

        A decrypted address is only kept in memory, never in the database.
        """
        if row.email_encrypted is None:
            return row.email
        if self._reader is None:
            company = self._company.with_env(env)
            self._reader = env["directmail.aes.key"]._get_reader(company)
        address, key = self._reader.read_address(row.email_encrypted, self._company.id)
        return address if key == row.address_key else None

    def _make(self, fixed, row, address, values):
        token = make_token(self.master_key, self.uuid, TOKEN_KIND, row.id)
        return self.make(fixed, token, address, {**values, "Token": token})

    def make(self, fixed, token, address, values):
        """Return the mail to one person, in the form that the account's settings ask for.

        `content_mode` and `behaviors` decide whether the mail has a body or names a template of
        DirectMail, and how its values are escaped and cut.

        :param dict fixed: the parts that all mails of a task share: see `_read_task`
        :param str token: of this person's delivery
        :param str address: in clear
        :param values: {variable: text}, escaped for where the variable stands
        :rtype: directmail.records.Mail
        """
        behaviors, plain = self.behaviors, fixed["plain_names"]
        subject_max = int(behaviors["subject_limit"])
        values = fit_subject(fixed["subject"], values, plain, subject_max)
        subject = cut_units(assemble(fixed["subject"], values), subject_max)
        if self.content_mode == "body":
            content = {
                "html_body": assemble(fixed["text"], values),
                "text_body": _get_text_part(fixed["text"]).fill(values),
            }
        else:
            if behaviors["value_escaping"] == "html":
                values = {
                    name: value if name in plain else unescaped_value(value)
                    for name, value in values.items()
                }
            content = {"template_id": fixed["template_ref"], "variables": values}
        return Mail(
            sender=fixed["sender"],
            address_type=fixed["address_type"],
            to=address,
            subject=subject,
            # Templates saved by older versions may be one character too long for DirectMail.
            sender_name=cut_units(fixed["sender_name"] or "", int(behaviors["alias_limit"])),
            **fixed["reply"],
            tag=fixed["tag"],
            headers={
                "Message-ID": f"<{token}@{fixed['sender'].partition('@')[2]}>",
                "X-User-Notify-Mid": token,
                "List-Unsubscribe": f"<{self.public_url}/directmail/unsubscribe/{token}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            **self._unsubscribe,
            **content,
        )


@lru_cache(maxsize=16)
def _get_text_part(text):
    """Return the `TextPart` of a body; cached, because parsing costs more than many fillings."""
    return TextPart(text or "")


def get_unsubscribe_options(account):
    """Return the fields of a `directmail.records.Mail` for DirectMail's own unsubscribe link."""
    link = account.unsubscribe_link
    return {
        "unsubscribe_link": "" if link == "auto" else link,
        "unsubscribe_filter": account.unsubscribe_filter,
    }


def _read_task(task):
    template = task.template_id
    return {
        "sender": task.sender_id.email,
        "address_type": 0 if task.address_type == "random" else 1,
        "sender_name": template.sender_name,
        "reply": task._get_reply(),
        "tag": task.tag_name,
        "template_ref": template.remote_ref,
        "subject": template.submitted_subject,
        "text": template.submitted_text,
        "plain_names": frozenset(
            variable["name"]
            for variable in template.variables or ()
            if variable["where"] == "subject"
        ),
    }


def get_next_in_line(task, number):
    """Return the people whom `engine.claim` will probably claim next from a task.

    :rtype: list[Person]
    """
    rows = task.env.execute_query(
        SQL(
            """SELECT %(columns)s FROM directmail_delivery
                WHERE task_id = %(task)s AND state = 'waiting'
                  AND %(free_at)s <= now() AT TIME ZONE 'UTC'
                ORDER BY %(free_at)s, id LIMIT %(number)s""",
            columns=SQL(", ").join(map(SQL.identifier, Person._fields)),
            task=task.id,
            free_at=FREE_AT,
            number=number,
        )
    )
    return [Person(*row) for row in rows]


def get_database_uuid(env):
    """Return an id of this database and installation, which tokens and names are made with.

    The installation is part of it, because delivery ids restart at 1 when the addon is installed
    again: a link in an old mail would otherwise name another person's delivery.
    """
    # sudo() because users may not read system parameters; the caller gets the id only.
    get_param = env["ir.config_parameter"].sudo().get_param
    uuid, installation = get_param("database.uuid") or "", get_param(INSTALLATION)
    if not installation:  # installed by a version before 19.0.1.2.0
        return uuid
    return hashlib.sha256(f"{uuid}/{installation}".encode()).hexdigest()


def read_delivery_token(env, token):
    """Return the id of the delivery that a token in a mail names, or None if it is invalid.

    :raise MasterKeyProblem: if this server has not the master key of the data
    """
    key = env["directmail.keyring"]._get_master_key()
    return read_token(key, get_database_uuid(env), TOKEN_KIND, token)
