"""Models and fields that tell of no people, whose content is a secret, or decides who may do what.

No data table is made of them, and no path or filter leads into them, whoever asks: an administrator
may be able to read them in Odoo, but a count of people must not tell what is in them.
"""

import re
from fnmatch import fnmatchcase

from odoo.tools import OrderedSet

#: {pattern of model names: why}
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
    # Who may know whose audiences, members and results is decided by their own lines.
    "directmail.*": "what this app itself keeps",
}
#: {technical model: fields of it that may be named all the same}
TOLD_FIELDS = {"res.users": frozenset(("id", "name", "display_name"))}
#: names of fields that hold a secret, on whatever model
SECRET = re.compile(r"(^|_)(password|passwd|token|secret|otp|api_?key|private_?key)(_|$)")


def is_technical(name):
    """Tell whether a model, given by its technical name, can't be a data table."""
    return any(fnmatchcase(name, pattern) for pattern in TECHNICAL_MODELS)


def check_told(model, field):
    """Refuse a field that no path or filter may name.

    :param model: the empty recordset on which the field is looked at
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
    """Refuse to look for technical records by a text: that would search in their names.

    :param model: the empty recordset on which the field is looked at
    :param value: of a filter's condition
    :raise ValueError: with the reason
    """
    name = field.comodel_name
    if not name or name in TOLD_FIELDS or not is_technical(name):
        return
    values = [value] if isinstance(value, str) else value
    # A domain names fields, which `check_told` looks at.
    if isinstance(values, (list, tuple, set, OrderedSet)) and any(
        isinstance(found, str) for found in values
    ):
        raise ValueError(
            model.env._("%(model)s is a technical model. Its names can't be searched.", model=name)
        )


def get_technical_domain():
    """Return a filter on `ir.model` for the models that can be data tables."""
    return [
        ("transient", "=", False),
        ("abstract", "=", False),
        *(("model", "not =like", pattern.replace("*", "%")) for pattern in TECHNICAL_MODELS),
    ]
