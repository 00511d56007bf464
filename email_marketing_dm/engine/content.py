"""What one person gets: the approved content with this person's values, and the headers."""

import time
from collections import namedtuple

from odoo.tools import SQL

from ..directmail.const import SENDER_NAME_MAX, SUBJECT_MAX
from ..directmail.lengths import cut_units
from ..directmail.placeholders import assemble
from ..directmail.plaintext import TextPart
from ..directmail.records import Mail
from ..directmail.tokens import make_token, read_token
from .claim import FREE_AT

TOKEN_KIND = "d"
# What a template needs to know of somebody: see `directmail.template._get_values`.
Person = namedtuple("Person", "id partner_id res_model res_id")
# Values are read for so many people at once, and are no older than so many seconds in a mail. At
# the usual 80 a second these come to the same.
AHEAD = 400
AHEAD_SECONDS = 5


class MailBuilder:
    """Makes the mails of one account.

    What is the same for everybody in a task is read once: content can't change while it is sent.

    :param account: a `directmail.account` record
    """

    def __init__(self, account):
        self.master_key = account.env["directmail.keyring"]._get_master_key()
        self.uuid = get_database_uuid(account.env)
        self.public_url = (account.public_url or "").rstrip("/")
        self.content_mode = account.content_mode
        self._unsubscribe = get_unsubscribe_options(account)
        self._company = account.company_id
        self._reader = None
        self._tasks = {}
        self._ahead = {}

    def build(self, env, task_id, rows):
        """Return the mails for people of one task.

        :param rows: a list of `engine.claim.Claimed`
        :return: {delivery id: `directmail.records.Mail`}, without those whose encrypted address
            can no longer be read
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

        A few mails are made at a time, many times a second. Reading for those who come next too
        makes reading a small part of the work.
        """
        known, read_at = self._ahead.get(task.id, ({}, 0))
        if time.monotonic() - read_at > AHEAD_SECONDS:
            known = {}
        missing = [row for row in rows if row.id not in known]
        if missing:
            people = missing + get_next_in_line(task, AHEAD)
            fresh = task.template_id._get_values(people, reader=task.user_id)
            self._ahead[task.id] = fresh, time.monotonic()
            known = known | fresh
        return {row.id: known[row.id] for row in rows}

    def _get_address(self, env, row):
        """Return the clear address; an encrypted one lives in this process's memory only."""
        if row.email_encrypted is None:
            return row.email
        if self._reader is None:
            company = self._company.with_env(env)
            self._reader = env["directmail.aes.key"]._get_reader(company)
        address, key = self._reader.read_address(row.email_encrypted, self._company.id)
        return address if key == row.address_key else None

    def _make(self, fixed, row, address, values):
        token = make_token(self.master_key, self.uuid, TOKEN_KIND, row.id)
        values = {**values, "Token": token}
        content = (
            {"template_id": fixed["template_ref"], "variables": values}
            if self.content_mode == "template"
            else {
                "html_body": assemble(fixed["text"], values),
                "text_body": fixed["text_part"].fill(values),
            }
        )
        return Mail(
            sender=fixed["sender"],
            address_type=fixed["address_type"],
            to=address,
            subject=cut_units(assemble(fixed["subject"], values), SUBJECT_MAX),
            sender_name=fixed["sender_name"],
            reply_address=fixed["reply_to"],
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


def get_unsubscribe_options(account):
    """Return the values of a `directmail.records.Mail` on DirectMail's own unsubscribe link."""
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
        # Older templates may have one more character than DirectMail takes.
        "sender_name": cut_units(template.sender_name, SENDER_NAME_MAX),
        "reply_to": task.reply_to or "",
        "tag": task.tag_name,
        "template_ref": template.remote_ref,
        "subject": template.submitted_subject,
        "text": template.submitted_text,
        "text_part": TextPart(template.submitted_text or ""),
    }


def get_next_in_line(task, number):
    """Return those who are likely to be claimed next from a task.

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
    """Return what tells this database's tokens from those of any other."""
    return env["ir.config_parameter"].sudo().get_param("database.uuid") or ""


def read_delivery_token(env, token):
    """Return the id of the delivery that a token in a mail stands for, or None."""
    key = env["directmail.keyring"]._get_master_key()
    return read_token(key, get_database_uuid(env), TOKEN_KIND, token)
