"""What the engine needs from above: the models hand it in, because the engine calls no model.

Callables that take an environment work in its transaction, with its user's rights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from odoo.api import Environment
from odoo.tools import SQL

from ..content.placeholders import TOKEN
from ..directmail.answers import Answer
from ..directmail.client import DirectMailClient
from ..directmail.records import AccountSummary
from ..privacy.keys import MasterKey
from .encrypted import AddressReader


@dataclass(frozen=True)
class PeopleContext:
    """How to find people and their addresses.

    :ivar get_master_key: (env) -> the data's master key; prepares the transaction to compute
        address keys in SQL (`engine.sql.set_pads`). Raises MasterKeyProblem if this server has not
        the key
    :ivar select_records: (env, company id) -> SQL of the present state of the record that a row
        named `people` refers to: (partner_id, email, is_there, country_id), no row if it is gone
    """

    get_master_key: Callable[[Environment], MasterKey]
    select_records: Callable[[Environment, int], SQL]


@dataclass(frozen=True)
class ClaimContext:
    """What `engine.claim` needs.

    :ivar find_fingerprint: (env) -> fingerprint of this server's master key, even if it is not the
        key of the data; None without a key
    """

    account_id: int
    people: PeopleContext
    find_fingerprint: Callable[[Environment], str | None]


class TaskContent(NamedTuple):
    """What all mails of a task have in common.

    :ivar sender: sender address
    :ivar address_type: `directmail.records.Mail.address_type`
    :ivar reply: the reply fields of a `directmail.records.Mail`
    :ivar template_ref: DirectMail's id of the template
    :ivar subject: with variables
    :ivar text: the body, with variables
    :ivar plain_names: names of the variables whose values are not HTML-escaped
    :ivar own_names: those of `content.placeholders.OWN_VARIABLES` that the text contains
    """

    sender: str
    address_type: int
    sender_name: str
    reply: dict[str, Any]
    tag: str
    template_ref: str
    subject: str
    text: str
    plain_names: frozenset[str]
    own_names: frozenset[str] = frozenset({TOKEN})


@dataclass(frozen=True)
class MailContext:
    """What `engine.content.MailBuilder` needs: an account's settings, and how to read tasks.

    :ivar database_id: see `engine.content.get_database_uuid`
    :ivar content_mode: "template" or "body": see `directmail.account`
    :ivar behaviors: {name: value}: see `directmail.behaviors`
    :ivar unsubscribe: fields of a `directmail.records.Mail`
    :ivar read_content: (env, task id, letter of the version or None) -> TaskContent
    :ivar read_values: (env, task id, the same letter, people) -> {person.id: {variable: text}};
        people have id, partner_id, res_model and res_id. Raises UserError if a user has left whose
        rights the placeholders are read with
    :ivar make_reader: (env) -> AddressReader with the AES key of the account's company
    """

    company_id: int
    master_key: MasterKey
    database_id: str
    public_url: str
    content_mode: str
    behaviors: dict[str, str]
    unsubscribe: dict[str, Any]
    read_content: Callable[[Environment, int, str | None], TaskContent]
    read_values: Callable[[Environment, int, str | None, list], dict[int, dict[str, str]]]
    make_reader: Callable[[Environment], AddressReader]


@dataclass(frozen=True)
class SenderContext:
    """What `engine.dispatcher.Dispatcher` needs for a run of an account's sender.

    :ivar open_cursor: () -> a new cursor of the database
    :ivar lease: seconds after which a mail without an answer counts as unknown
    :ivar rate_limit: mails per second
    :ivar refusal_limit: a task pauses after this number of people refused in a row
    :ivar stop_account: (env, the Answer that stops it)
    :ivar pause_task: (env, task id, the Answer that pauses it)
    :ivar save_summary: (env, what DirectMail told about the account)
    :ivar wake_events: (env) -> None; has the facts that came in applied soon
    """

    claims: ClaimContext
    mails: MailContext
    client: DirectMailClient
    open_cursor: Callable[[], Any]
    threads: int
    lease: float
    rate_limit: float
    refusal_limit: int
    stop_account: Callable[[Environment, Answer], None]
    pause_task: Callable[[Environment, int, Answer], None]
    save_summary: Callable[[Environment, AccountSummary], None]
    wake_events: Callable[[Environment], None]
