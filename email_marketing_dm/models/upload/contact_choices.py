from functools import cached_property

from babel import Locale, UnknownLocaleError

from odoo.fields import Command

from ...lists.columns import find_flaw, split_tags

# Names that neither Odoo nor the Unicode data has.
_COUNTRY_ALIASES = {
    "usa": "US",
    "u.s.": "US",
    "u.s.a.": "US",
    "united states of america": "US",
    "uk": "GB",
    "great britain": "GB",
    "england": "GB",
    "prc": "CN",
    "p.r. china": "CN",
    "people's republic of china": "CN",
    "uae": "AE",
}


class ContactChoices:
    """Finds the countries, languages and tags that the cells of a list name.

    Countries are known by their code and by their names in the installed languages. Tags that do
    not exist are created by `get_vals`, so an instance must not outlive its transaction.

    :param env: of the upload's owner, whose rights count for reading and creating tags
    """

    def __init__(self, env):
        self._env = env

    def find_flaw(self, use, value, is_secret=False):
        """Return why a value can't be used; "" if it can.

        :param str use: of `lists.columns.CONTACT_USES`, or PLACEHOLDER
        :param bool is_secret: as for `lists.columns.find_flaw`
        :return: "country", "language", "tag", or a code of `lists.columns.find_flaw`
        """
        if flaw := find_flaw(use, value, is_secret):
            return flaw
        if use == "country":
            return "" if fold(value) in self._countries else "country"
        if use == "language":
            return "" if fold(value) in self._languages else "language"
        if use == "tags" and not self._may_create_tags:
            return "" if all(fold(tag) in self._tags for tag in split_tags(value)) else "tag"
        return ""

    def get_vals(self, values):
        """Return values of fields of a contact for country, language and tags.

        :param dict values: {use: value} without flaws
        """
        vals = {}
        if country := self._countries.get(fold(values.get("country", ""))):
            vals["country_id"] = country
        if language := self._languages.get(fold(values.get("language", ""))):
            vals["lang"] = language
        if "tags" in values:
            tags = map(self._get_tag, split_tags(values["tags"]))
            vals["category_id"] = [Command.link(tag) for tag in tags]
        return vals

    def _get_tag(self, name):
        """Return the id of a tag, which is created if there is none."""
        if fold(name) not in self._tags:
            self._tags[fold(name)] = self._env["res.partner.category"].create({"name": name}).id
        return self._tags[fold(name)]

    @cached_property
    def _installed(self):
        return self._env["res.lang"].get_installed()

    @cached_property
    def _countries(self):
        countries = self._env["res.country"].search([])
        by_code = {country.code: country.id for country in countries}
        found = {alias: by_code.get(code) for alias, code in _COUNTRY_ALIASES.items()}
        for code, _name in self._installed:
            names = _read_territories(code)
            found |= {fold(name): by_code[key] for key, name in names.items() if key in by_code}
            for country in countries.with_context(lang=code):
                found[fold(country.name)] = country.id
        found |= {fold(code): number for code, number in by_code.items()}
        return {name: number for name, number in found.items() if number}

    @cached_property
    def _languages(self):
        found = {}
        # In reverse, so that of "de_AT" and "de_DE" the first one is called "de".
        for code, name in reversed(self._installed):
            words = {part for text in (name, name.partition(" (")[0]) for part in text.split(" / ")}
            words |= {code, code.replace("_", "-"), code.partition("_")[0]}
            found |= {fold(word): code for word in words}
        return found

    @cached_property
    def _tags(self):
        return {fold(tag.name): tag.id for tag in self._env["res.partner.category"].search([])}

    @cached_property
    def _may_create_tags(self):
        return self._env["res.partner.category"].has_access("create")


def fold(text):
    """Return a text as it is compared: without regard to case and blanks."""
    return " ".join(text.casefold().split())


def _read_territories(code):
    """Return {code of a country: its name} in a language, from the Unicode data."""
    try:
        return Locale.parse(code).territories
    except (UnknownLocaleError, ValueError):
        return {}
