# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Finds what other mailing tools fill in and we don't: ``{{first_name}}``, ``*|FNAME|*``, …

Readers would see it as it stands. A form that ordinary text may have too, such as ``%…%`` or
``[…]``, counts only around a word that names something about a person or a mailing's own link.
"""

import re
from urllib.parse import unquote

#: names of fields and links in other tools, without spaces, signs and capitals
_WORDS = frozenset(
    """address birthday city company companyname contactname country customername displayname
    eaddr email emailaddress familyname firstname fname forename fullname gender givenname lastname
    lname mobile name nickname optout phone recipient recipientname salutation subscriber
    subscribername surname unsub unsubscribe unsubscribelink unsubscribeurl username viewinbrowser
    viewonline webversion
    anrede vorname nachname prenom nombre apellido apellidos cognome 姓名 名字 昵称 称呼""".split()
)
# Too common between single signs to be told from ordinary words.
_COMMON = frozenset(("address", "city", "company", "country", "name", "recipient", "subscriber"))
_WORD = r"[^\W\d][\w.:!$ -]{0,40}?"
#: forms that nothing else has
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
#: forms around a known word; the second of each pair: also around a common one
_AROUND_WORDS = (
    (re.compile(rf"(?<![\w%])%({_WORD})%(?![\w%])"), True),  # ActiveCampaign and others
    (re.compile(rf"(?<![\w#])##?({_WORD})##?(?![\w#])"), True),
    (re.compile(rf"(?<![\w@])@@({_WORD})@@(?![\w@])"), True),
    (re.compile(rf"<<({_WORD})>>"), True),
    (re.compile(r"«([^\W\d]\w*_\w+)»"), True),  # mail merge of word processors
    (re.compile(rf"(?<![{{$#%])\{{\s*[!$@]?({_WORD})\s*(?:[|,][^{{}}\n]*)?\}}(?!\}})"), False),
    (re.compile(rf"(?<![\w\[])\[\s*({_WORD})\s*(?:[|,][^\[\]\n]*)?\](?![\](])"), False),
)
#: those of the above that are ordinary in an address: "?fields[email]=1", "#name"
_NOT_IN_ADDRESSES = (_AROUND_WORDS[1][0], _AROUND_WORDS[-1][0])
_BRACED = re.compile(r"\{\s*[^\W\d][\w.:| -]*\}")


def find_tags(text):
    """Return the tags of other tools in a text, each once, in the order of the forms.

    :rtype: list[str]
    """
    return _find(text, _AROUND_WORDS)


def find_tags_in_address(address):
    """Return what stands in an address to be filled in.

    Nothing is filled in there: an own link's target is fixed by the review.

    :param address: as written, or percent-encoded
    :rtype: list[str]
    """
    forms = [(form, True) for form, _common in _AROUND_WORDS if form not in _NOT_IN_ADDRESSES]
    found = _find(unquote(address), forms) + _find(address, forms)
    return list(dict.fromkeys(found))


def find_braces_in_address(address):
    """Return words in braces in an address, whatever they say.

    :rtype: list[str]
    """
    return list(dict.fromkeys(_BRACED.findall(unquote(address))))


def _find(text, forms):
    found = [match[0] for pattern in _CERTAIN for match in pattern.finditer(text)]
    for pattern, common_too in forms:
        for match in pattern.finditer(text):
            inside_another = any(match[0] in tag for tag in found)
            if _is_known(match[1], common_too) and not inside_another:
                found.append(match[0])
    return list(dict.fromkeys(found))


def _is_known(word, common_too):
    names = {_bare(word), _bare(re.split(r"[.:!$]", word)[-1])}
    alone = word.strip().isalpha()
    return any(
        name in _WORDS and (common_too or name not in _COMMON or not alone) for name in names
    )


def _bare(word):
    return re.sub(r"[\W_]", "", word).lower()
