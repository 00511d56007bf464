# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Finds placeholders of other mailing tools: ``{{first_name}}``, ``*|FNAME|*``, …

DirectMail does not fill them in, so readers would see the raw tag. A form that also occurs in
ordinary text, such as ``%…%`` or ``[…]``, counts only around a known name of a person's field or of
a link such as "unsubscribe".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

#: names of fields and links in other tools, in the form of `_bare`
_WORDS = frozenset(
    """address birthday city company companyname contactname country customername displayname
    eaddr email emailaddress familyname firstname fname forename fullname gender givenname lastname
    lname mobile name nickname optout phone recipient recipientname salutation subscriber
    subscribername surname unsub unsubscribe unsubscribelink unsubscribeurl username viewinbrowser
    viewonline webversion
    anrede vorname nachname prenom nombre apellido apellidos cognome 姓名 名字 昵称 称呼""".split()
)
# Ordinary words too: between single braces or brackets they count only as part of a longer name.
_COMMON = frozenset(("address", "city", "company", "country", "name", "recipient", "subscriber"))
_WORD = r"[^\W\d][\w.:!$ -]{0,40}?"
#: forms that ordinary text does not have
_CERTAIN = tuple(
    map(
        re.compile,
        (
            r"\{\{+[^{}\n]{1,200}\}\}+",  # Handlebars, Liquid, Jinja
            r"\{%[^%\n]{1,200}%\}",  # Liquid, Jinja: conditions and loops
            r"[$#]\{\s*[^\W\d][^{}\n]{0,100}\}",  # older Odoo, JSP, Velocity, Ruby
            r"\*\|[^|*\n]{1,80}\|\*",  # Mailchimp
            r"%%[^\W\d][^%\n]{0,80}%%|%%=[^%\n]{1,80}=%%",  # Salesforce
            r"<%[=-]?[^%<>\n]{1,80}%>",  # ERB, EJS
            r"\[\[\s*[^\W\d][\w.:|, -]{0,40}\]\]",
            r"\[subscriber:[^\[\]\n]{1,60}\]",  # MailPoet
        ),
    )
)
#: (form around a word of `_WORDS`, whether it also counts around a word of `_COMMON`)
_AROUND_WORDS = (
    (re.compile(rf"(?<![\w%])%({_WORD})%(?![\w%])"), True),  # ActiveCampaign and others
    (re.compile(rf"(?<![\w#])##?({_WORD})##?(?![\w#])"), True),
    (re.compile(rf"(?<![\w@])@@({_WORD})@@(?![\w@])"), True),
    (re.compile(rf"<<({_WORD})>>"), True),
    (re.compile(r"«([^\W\d]\w*_\w+)»"), True),  # mail merge of word processors
    (re.compile(rf"(?<![{{$#%])\{{\s*[!$@]?({_WORD})\s*(?:[|,][^{{}}\n]*)?\}}(?!\}})"), False),
    (re.compile(rf"(?<![\w\[])\[\s*({_WORD})\s*(?:[|,][^\[\]\n]*)?\](?![\](])"), False),
)
#: forms of `_AROUND_WORDS` that addresses use themselves: "?fields[email]=1", "#name"
_NOT_IN_ADDRESSES = (_AROUND_WORDS[1][0], _AROUND_WORDS[-1][0])
_BRACED = re.compile(r"\{\s*[^\W\d][\w.:| -]*\}")


def find_tags(text: str) -> list[str]:
    """Return the tags of other tools in a text, each once, in the order of the forms."""
    return _find(text, _AROUND_WORDS)


def find_tags_in_address(address: str) -> list[str]:
    """Return the tags of other tools in an address, each once.

    DirectMail's review fixes the target of a link, so no value can be filled in there.

    :param address: as written, or percent-encoded
    """
    forms = [(form, True) for form, _common in _AROUND_WORDS if form not in _NOT_IN_ADDRESSES]
    found = _find(unquote(address), forms) + _find(address, forms)
    return list(dict.fromkeys(found))


def find_braces_in_address(address: str) -> list[str]:
    """Return every word in braces in an address, known or not, each once."""
    return list(dict.fromkeys(_BRACED.findall(unquote(address))))


def _find(text: str, forms: Iterable[tuple[re.Pattern[str], bool]]) -> list[str]:
    found = [match[0] for pattern in _CERTAIN for match in pattern.finditer(text)]
    for pattern, common_too in forms:
        for match in pattern.finditer(text):
            inside_another = any(match[0] in tag for tag in found)
            if _is_known(match[1], common_too) and not inside_another:
                found.append(match[0])
    return list(dict.fromkeys(found))


def _is_known(word: str, common_too: bool) -> bool:
    names = {_bare(word), _bare(re.split(r"[.:!$]", word)[-1])}
    alone = word.strip().isalpha()
    return any(
        name in _WORDS and (common_too or name not in _COMMON or not alone) for name in names
    )


def _bare(word: str) -> str:
    """Return a name in lower case without spaces and signs: "First_Name" is "firstname"."""
    return re.sub(r"[\W_]", "", word).lower()
