# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the columns of an uploaded list are used for: placeholders, or fields of a contact."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from .cells import find_addresses
from .encodings import REPLACED
from .identifiers import VALUE_MAX, phone_digits, read_safe_cell

PLACEHOLDER, NOTHING = "placeholder", "nothing"
#: uses of a column for a field of the contact
CONTACT_USES = (
    "name", "first_name", "last_name", "company", "function", "phone", "street", "zip", "city",
    "country", "language", "website", "tags",
)  # fmt: skip
#: columns that may be used, besides the one with the IDs
USED_MAX = 50
#: {path of a placeholder: use of a column}: for people without a contact the column fills it
FIELD_USES = {
    "name": "name",
    "display_name": "name",
    "complete_name": "name",
    "directmail_first_name": "first_name",
    "company_name": "company",
    "commercial_company_name": "company",
    "function": "function",
    "phone": "phone",
    "street": "street",
    "zip": "zip",
    "city": "city",
    "country_id": "country",
    "country_id.name": "country",
    "website": "website",
}
_KEY_MAX = 40
# Titles of columns in lists in English, German, French, Spanish, Chinese and Japanese.
_TITLES = {
    "name": "name,full name,contact,contact name,customer name,vollständiger name,nom complet,"
    "nombre completo,姓名,联系人,聯絡人,客户名称,客户姓名,氏名,お名前,名前",
    "first_name": "first name,firstname,given name,forename,vorname,prénom,prenom,nombre,名,名字",
    "last_name": "last name,lastname,surname,family name,nachname,familienname,nom,apellido,"
    "apellidos,姓,姓氏",
    "company": "company,company name,organization,organisation,firma,unternehmen,société,societe,"
    "entreprise,empresa,公司,公司名称,单位,会社,会社名",
    "function": "job title,job position,position,function,role,funktion,stellung,fonction,poste,"
    "cargo,puesto,职位,职务,役職",
    "phone": "phone,phone number,telephone,mobile,mobile phone,cell,cell phone,telefon,"
    "telefonnummer,handy,mobil,téléphone,telephone,portable,teléfono,telefono,móvil,电话,手机,"
    "手机号,手机号码,電話,電話番号,携帯電話",
    "street": "street,address,street address,straße,strasse,adresse,anschrift,rue,calle,dirección,"
    "direccion,地址,详细地址,住所",
    "zip": "zip,zip code,zipcode,postal code,postcode,plz,postleitzahl,code postal,código postal,"
    "codigo postal,邮编,邮政编码,郵便番号",
    "city": "city,town,ort,stadt,ville,ciudad,城市,所在城市,市,市区町村",
    "country": "country,country/region,land,pays,país,pais,国家,国家/地区,国",
    "language": "language,lang,locale,sprache,langue,idioma,语言,言語",
    "website": "website,web site,homepage,url,webseite,site web,sitio web,网站,网址,ウェブサイト",
    "tags": "tags,tag,schlagwörter,stichwörter,étiquettes,etiquetas,标签,タグ",
}
_USES = {title: use for use, titles in _TITLES.items() for title in titles.split(",")}


def make_keys(titles: Sequence[str]) -> list[str]:
    """Return the key of each column, by which placeholders name it: unique, a Python identifier.

    A column with the same title has the same key in each list, so that a template fits all of
    them: "Coupon code" is "coupon_code", "优惠码" stays as it is.
    """
    keys: list[str] = []
    for title in titles:
        key = stem = _make_key(title)
        number = 1
        while key in keys:
            number += 1
            key = f"{stem}_{number}"
        keys.append(key)
    return keys


def _make_key(title: str) -> str:
    """Return a title as an identifier that `ast` reads back unchanged: it normalizes to NFKC."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    key = "".join(char if ("a" + char).isidentifier() else "_" for char in text)
    key = re.sub("__+", "_", key).strip("_")[:_KEY_MAX].rstrip("_")
    if not key:
        return "column"
    if not key.isidentifier():
        return f"column_{key}"
    return f"{key}_" if keyword.iskeyword(key) else key


def guess_uses(titles: Sequence[str], samples: Sequence[Sequence[str]]) -> list[str]:
    """Return the use of each column by its title: of CONTACT_USES, PLACEHOLDER or NOTHING.

    :param samples: some cells of each column. Columns with addresses are not used: they would be
        kept in clear, beside the IDs
    """
    uses: list[str] = []
    for title, cells in zip(titles, samples, strict=True):
        use = _USES.get(" ".join(title.casefold().replace("_", " ").split()), PLACEHOLDER)
        if use in uses:
            use = PLACEHOLDER
        if any(map(holds_address, cells)) or len(uses) >= USED_MAX:
            use = NOTHING
        uses.append(use)
    if "first_name" in uses and "last_name" not in uses and "name" in uses:
        # "Vorname, Name": the first name has a column of its own.
        uses[uses.index("name")] = "last_name"
    if "last_name" in uses and "first_name" not in uses:
        # "Nom" and "Nombre" alone are whole names in many lists.
        place = uses.index("last_name")
        uses[place] = PLACEHOLDER if "name" in uses else "name"
    return uses


def holds_address(cell: str) -> bool:
    """Tell whether a cell holds an email address."""
    return "@" in cell and any(found.address for found in find_addresses(cell))


def read_value(cell: str) -> str:
    """Return the value of a cell, without what spreadsheets write around texts: ="007", '007."""
    value = cell.strip()
    if value.startswith('="') and value.endswith('"'):
        value = value[2:-1]
    elif value[:1] == "'" and value[1:2].isdigit():
        value = value[1:]
    return read_safe_cell(value).strip()


def find_flaw(use: str, value: str, is_secret: bool) -> str:
    """Return why a value can't be used, "" if it can.

    :param use: of CONTACT_USES, or PLACEHOLDER
    :param is_secret: whether addresses of these people must not be kept in clear
    :return: "too_long", "encoding", "address" or "no_phone"
    """
    if len(value) > VALUE_MAX:
        return "too_long"
    if REPLACED in value:
        return "encoding"
    if is_secret and holds_address(value):
        return "address"
    if use == "phone" and not phone_digits(value):
        return "no_phone"
    return ""


def join_name(values: Mapping[str, str]) -> str:
    """Return the whole name: that of the column "name", else first and last name.

    Chinese, Japanese and Korean names are written family name first, without a space.

    :param values: {use of a column: value}
    """
    if values.get("name"):
        return values["name"]
    first, last = values.get("first_name", ""), values.get("last_name", "")
    if first and last and all(_EAST_ASIAN.fullmatch(part) for part in (first, last)):
        return last + first
    return f"{first} {last}".strip()


_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff々]+")


def find_doubles(uses: Collection[str]) -> list[str]:
    """Return the uses for a contact that several columns have; tags may come from several."""
    uses = list(uses)
    return [use for use in CONTACT_USES if use != "tags" and uses.count(use) > 1]


def split_tags(value: str) -> list[str]:
    """Return the tags in a cell, each once; commas and semicolons separate them."""
    found = (" ".join(tag.split()) for tag in re.split(r"[,;|、，；]", value))
    return list(dict.fromkeys(tag for tag in found if tag))
