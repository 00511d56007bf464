"""Models and fields that hold secrets or access rights, or are about no people.

They can't be data tables, and no path or filter may name them, not even an administrator's. An
administrator may be able to read them in Odoo, but the count of a filter must not reveal their
content to other users.
"""

import re
from fnmatch import fnmatchcase

from odoo.fields import Domain
from odoo.tools import OrderedSet

#: {pattern of model names: content of these models}
TECHNICAL_MODELS = {
    "ir.*": "settings, jobs, attachments and rights of the server",
    "res.users": "accounts: a name is all that may be asked of somebody's account",
    "res.users.*": "passwords, keys, sessions and log-ins of accounts",
    "res.groups*": "who may do what",
    "res.config*": "settings of the server",
    "auth*": "tokens and keys of log-ins",
    "change.password*": "passwords",
    "bus.*": "messages between browsers and the server",
    "fetchmail.server": "passwords of mailboxes",
    "mail.mail": "outgoing mails, with links to set a password",
    "mail.message": "mails and notes, with links to set a password",
    "mail.push*": "keys of browsers",
    "mail.ice.server": "passwords of call servers",
    "iap.*": "keys of paid services",
    "sms.account.*": "keys of paid services",
    "payment.provider": "keys of payment providers",
    "payment.token": "stored means of payment",
    "google.*": "keys of connected accounts",
    "microsoft.*": "keys of connected accounts",
    "certificate.*": "private keys",
    "base.*": "wizards and imports of the server",
    # Audience lines of their own kinds select these, and check the owner's rights on them.
    "directmail.*": "what this app itself keeps",
}
#: Models that match `TECHNICAL_MODELS`, but are made to be read as data tables: one row for each
#: contact, in the field partner_id. What it says depends on the email tasks that its reader may
#: read.
ABOUT_PEOPLE = frozenset(("directmail.contact.engagement",))
#: {technical model: names of its fields that paths and filters may name}
TOLD_FIELDS = {"res.users": frozenset(("id", "name", "display_name"))}
#: Pattern of names of fields that hold a secret, on any model.
SECRET = re.compile(r"(^|_)(password|passwd|token|secret|otp|api_?key|private_?key)(_|$)")


def is_technical(name):
    """Tell whether a model's name matches `TECHNICAL_MODELS`, and is not among `ABOUT_PEOPLE`."""
    return name not in ABOUT_PEOPLE and any(
        fnmatchcase(name, pattern) for pattern in TECHNICAL_MODELS
    )


def check_told(model, field):
    """Refuse a field that no path or filter may name.

    :param model: the empty recordset of the field's model
    :raise ValueError: with the reason
    """
    told = TOLD_FIELDS.get(model._name, ())
    if field.name not in told and is_technical(model._name):
        raise ValueError(
            model.env._(
                "%(model)s is a technical model. Its field %(field)s can't be used.",
                model=model._name,
                field=field.name,
            )
        )
    if SECRET.search(field.name):
        raise ValueError(
            model.env._(
                "The field %(field)s of %(model)s holds a secret and can't be used.",
                model=model._name,
                field=field.name,
            )
        )


def check_named(model, field, value):
    """Refuse a text as the value of a relation to a technical model: it would search its names.

    :param model: the empty recordset of the field's model
    :param value: of a filter's condition
    :raise ValueError: with the reason
    """
    name = field.comodel_name
    if not name or name in TOLD_FIELDS or not is_technical(name):
        return
    values = [value] if isinstance(value, str) else value
    # A `Domain` as the value needs no check here, because `check_told` checks its fields.
    if isinstance(values, (list, tuple, set, OrderedSet)) and any(
        isinstance(found, str) for found in values
    ):
        raise ValueError(
            model.env._("%(model)s is a technical model. Its names can't be searched.", model=name)
        )


def get_technical_domain():
    """Return a filter on `ir.model` for the models that can be data tables."""
    plain = Domain.AND(
        Domain("model", "not =like", pattern.replace("*", "%")) for pattern in TECHNICAL_MODELS
    )
    stored = Domain("transient", "=", False) & Domain("abstract", "=", False)
    return list(stored & (plain | Domain("model", "in", sorted(ABOUT_PEOPLE))))
