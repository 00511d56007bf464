"""Build the mail to one person: the approved content with the person's values, and headers."""

import hashlib
import time
from collections import namedtuple
from functools import lru_cache

from odoo.tools import SQL

from ..content.filling import assemble, fit_subject, unescaped_value
from ..content.lengths import cut_units
from ..content.placeholders import CLICK_TOKEN, OPEN_TOKEN, OWN_VARIABLES, TOKEN
from ..content.plaintext import TextPart
from ..directmail.records import Mail
from ..privacy.tokens import make_token, read_token
from .claim import FREE_AT
from .measuring import UNRECORDED

TOKEN_KIND = "d"
#: Kind of the token that all recipients of a task share whose opens or clicks are not recorded.
ANONYMOUS_KIND = "m"
#: System parameter with a random id of this installation, set by `post_init_hook`.
INSTALLATION = "email_marketing_dm.installation"
# The attributes that `MailContext.read_values` reads of a person.
Person = namedtuple(
    "Person",
    "id partner_id res_model res_id address_key email_encrypted version",
    defaults=(None, None, None),
)
# Values are read in advance for AHEAD people and used for at most AHEAD_SECONDS. At the usual rate
# of 80 mails a second, 400 people last 5 seconds.
AHEAD = 400
AHEAD_SECONDS = 5


class MailBuilder:
    """Makes the mails of one account.

    The content that all mails of a task, or of a version of it, share is read once per run, because
    a task's content can't change while it is being sent.

    :param MailContext context: the account's settings, and how to read tasks
    """

    def __init__(self, context):
        self.context = context
        # First contact sets another mode for some of its mails.
        self.content_mode = context.content_mode
        self._reader = None
        self._contents = {}
        self._ahead = {}

    def build(self, env, task_id, rows):
        """Return the mails for people of one task.

        :param rows: a list of `engine.claim.Claimed`
        :return: {delivery id: `directmail.records.Mail`}, without deliveries whose encrypted
            address can't be decrypted any more
        :raise UserError: see `MailContext.read_values`
        """
        contents = {
            version: self._get_content(env, task_id, version)
            for version in {row.version for row in rows}
        }
        values = self._get_values(env, task_id, rows)
        return {
            row.id: self._make(contents[row.version], row, address, values[row.id])
            for row in rows
            if (address := self._get_address(env, row))
        }

    def _get_content(self, env, task_id, version):
        """Return the `TaskContent` of a version of a task; None is the task's own."""
        key = task_id, version
        if key not in self._contents:
            self._contents[key] = self.context.read_content(env, task_id, version)
        return self._contents[key]

    def _get_values(self, env, task_id, rows):
        """Return {delivery id: {variable: text}}.

        `build` gets a few people at a time, many times a second. So the values of the next `AHEAD`
        people are read along with theirs, and kept for `AHEAD_SECONDS`.
        """
        known, read_at = self._ahead.get(task_id, ({}, 0))
        if time.monotonic() - read_at > AHEAD_SECONDS:
            known = {}
        missing = [row for row in rows if row.id not in known]
        if missing:
            by_version, fresh = {}, {}
            for person in missing + _get_next_in_line(env, task_id, AHEAD):
                by_version.setdefault(person.version, []).append(person)
            for version, people in by_version.items():
                fresh |= self.context.read_values(env, task_id, version, people)
            self._ahead[task_id] = fresh, time.monotonic()
            known = known | fresh
        return {row.id: known[row.id] for row in rows}

    def _get_address(self, env, row):
        """Return the clear address, or None if an encrypted one can't be read or has changed.

        A decrypted address is only kept in memory, never in the database.
        """
        if row.email_encrypted is None:
            return row.email
        if self._reader is None:
            self._reader = self.context.make_reader(env)
        address, key = self._reader.read_address(row.email_encrypted, self.context.company_id)
        return address if key == row.address_key else None

    def _make(self, content, row, address, values):
        context = self.context
        tokens = make_tokens(
            context.master_key, context.database_id, row.id, row.task_id, row.measuring
        )
        own = {name: tokens[name] for name in content.own_names}
        return self.make(content, tokens[TOKEN], address, {**values, **own})

    def make(self, content, token, address, values):
        """Return the mail to one person, in the form that the account's settings ask for.

        `content_mode` and `behaviors` decide whether the mail has a body or names a template of
        DirectMail, and how its values are escaped and cut.

        :param TaskContent content: what all mails of the task have in common
        :param str token: of this person's delivery
        :param str address: in clear
        :param values: {variable: text}, escaped for where the variable stands
        :rtype: directmail.records.Mail
        """
        behaviors, plain = self.context.behaviors, content.plain_names
        subject_max = int(behaviors["subject_limit"])
        values = fit_subject(content.subject, values, plain, subject_max)
        subject = cut_units(assemble(content.subject, values), subject_max)
        if self.content_mode == "body":
            filled = {
                "html_body": assemble(content.text, values),
                "text_body": _get_text_part(content.text).fill(values),
            }
        else:
            if behaviors["value_escaping"] == "html":
                values = {
                    name: value if name in plain else unescaped_value(value)
                    for name, value in values.items()
                }
            filled = {"template_id": content.template_ref, "variables": values}
        return Mail(
            sender=content.sender,
            address_type=content.address_type,
            to=address,
            subject=subject,
            # Templates saved by older versions may be one character too long for DirectMail.
            sender_name=cut_units(content.sender_name or "", int(behaviors["alias_limit"])),
            **content.reply,
            tag=content.tag,
            headers={
                "Message-ID": f"<{token}@{content.sender.partition('@')[2]}>",
                "X-User-Notify-Mid": token,
                "List-Unsubscribe": f"<{self.context.public_url}/directmail/unsubscribe/{token}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            **self.context.unsubscribe,
            **filled,
        )


@lru_cache(maxsize=16)
def _get_text_part(text):
    """Return the `TextPart` of a body; cached, because parsing costs more than many fillings."""
    return TextPart(text or "")


def _get_next_in_line(env, task_id, number):
    """Return the people whom `engine.claim` will probably claim next from a task.

    :rtype: list[Person]
    """
    rows = env.execute_query(
        SQL(
            """SELECT %(columns)s FROM directmail_delivery
                WHERE task_id = %(task)s AND state = 'waiting'
                  AND %(free_at)s <= now() AT TIME ZONE 'UTC'
                ORDER BY %(free_at)s, id LIMIT %(number)s""",
            columns=SQL(", ").join(map(SQL.identifier, Person._fields)),
            task=task_id,
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


def make_tokens(master_key, database_id, delivery_id, task_id, measuring):
    """Return {name of `OWN_VARIABLES`: token} of one person's mail.

    Links to the recipient's pages always name the person. Pixel and tracked links name the task
    only, if `measuring` rules out that the person's opens or clicks are recorded.

    :param int delivery_id: id of the `directmail.delivery`
    :param int task_id: id of its `directmail.task`
    :param str measuring: value of `directmail.delivery.measuring`, or empty
    """
    own = make_token(master_key, database_id, TOKEN_KIND, delivery_id)
    tokens = dict.fromkeys(OWN_VARIABLES, own)
    if measuring:
        shared = make_token(master_key, database_id, ANONYMOUS_KIND, task_id)
        for name, kind in ((OPEN_TOKEN, "open"), (CLICK_TOKEN, "click")):
            if measuring in UNRECORDED[kind]:
                tokens[name] = shared
    return tokens


def read_anonymous_token(env, master_key, token):
    """Return the id of the task that a token in a pixel or link names, or None if it is invalid.

    :param master_key: the data's `privacy.keys.MasterKey`
    """
    return read_token(master_key, get_database_uuid(env), ANONYMOUS_KIND, token)


def read_delivery_token(env, master_key, token):
    """Return the id of the delivery that a token in a mail names, or None if it is invalid.

    :param master_key: the data's `privacy.keys.MasterKey`
    """
    return read_token(master_key, get_database_uuid(env), TOKEN_KIND, token)
