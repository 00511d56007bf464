from psycopg2.errors import QueryCanceled

from odoo import api, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine.audience_count import limited
from ...engine.audience_members import IDENTITY
from ...engine.person import PERSON_COLUMNS
from ...engine.traits import (
    ONLY_A,
    ONLY_B,
    count_links,
    count_overlap,
    count_traits,
    join_sides,
)
from ...statistics.traits import find_differences
from .traits import TAGS, TRAIT_OF, TRAITS

#: Values of a trait that are shown one by one, if it has no fixed order.
VALUES_MAX = 10
#: Seconds that one statement on the people of an audience may take.
PICTURE_TIMEOUT = 60


class DirectmailAudience(models.Model):
    """What an audience is made of, what sets it apart, and its overlap with another one.

    Everything is about the people of the last refresh, counted with the rights of the reader: who
    may read the audience and sees a contact could count that contact by a line of an own audience,
    too. Contacts that the reader may not see, and other readers' bare addresses, are left out, so
    all figures are exact.
    """

    _inherit = "directmail.audience"

    # === FIGURES === #

    @api.readonly
    def get_composition(self, snapshot=False):
        """Count the contacts of the audience by each trait.

        :param snapshot: id of one of its snapshots; False for the people of the last refresh
        :return: {"people": number of people in the audience; "shown": how many of them are counted
            here; "hidden": the others; "can_open": whether the reader may list the people;
            "traits": [{"name", "label", "note": text or False, "rows": [{"value", "label", "count",
            "share": of ``shown``, "single": whether the row is about one value, "makes_line"}]}]},
            or {"error": text}
        :rtype: dict
        """
        first = self._get_side(snapshot)
        env = self._get_company_env(self.env)
        counted = self._within_time(lambda: self._count_traits(env, first))
        if "error" in counted:
            return counted
        shown = counted["people"][0]
        counts = {
            name: {value: sides[0] for value, sides in values.items()}
            for name, values in counted["traits"].items()
        }
        people = first._get_people_count()
        return {
            "people": people,
            "shown": shown,
            "hidden": max(0, people - shown),
            "can_open": self._can_list_people(),
            "traits": [
                {
                    "name": trait.name,
                    "label": trait.get_label(env),
                    "note": trait.get_note(env),
                    "rows": self._make_rows(env, trait, counts[trait.name], shown),
                }
                for trait in TRAITS
                if counts.get(trait.name)
            ],
        }

    @api.readonly
    def get_differences(self, other=False, snapshot=False, other_snapshot=False):
        """Return the traits by which this audience differs most from another, or from all contacts.

        :param other: id of an audience that the reader may read; False for all contacts
        :param snapshot: id of a snapshot of this audience; False for the last refresh
        :param other_snapshot: the same of the other audience
        :return: {"people", "others": numbers of contacts that are compared; "looked": number of
            traits; "differences": [{"trait", "value", "trait_label", "label", "share", "other",
            "low", "high": ends of the interval of the difference, "makes_line"}]}, or
            {"error": text}
        :rtype: dict
        """
        first = self._get_side(snapshot)
        env = self._get_company_env(self.env)
        second = self._get_other(other, other_snapshot)
        counted = self._within_time(lambda: self._count_traits(env, first, second, compare=True))
        if "error" in counted:
            return counted
        named = [
            (trait, value, labels[value], sides)
            for trait in TRAITS
            if trait.name in counted["traits"]
            for labels in [trait.label_values(env, counted["traits"][trait.name])]
            for value, sides in counted["traits"][trait.name].items()
            if value in labels
        ]
        # Of two values that exclude each other, the second would only repeat the first.
        mirrored = [trait.ordered[1:] if len(trait.ordered) == 2 else () for trait, *_rest in named]
        named = [one for one, twins in zip(named, mirrored, strict=True) if one[1] not in twins]
        people = counted["people"]
        found, looked = find_differences([tuple(one[3]) for one in named], tuple(people))
        return {
            "people": people[0] + people[1],
            "others": people[1] + people[2],
            "looked": looked,
            "differences": [self._tell(env, *named[one.number][:3], one) for one in found],
        }

    @api.readonly
    def get_overlap(self, other, snapshot=False, other_snapshot=False):
        """Count the people only in this audience, in both, and only in another.

        :param int other: id of an audience that the reader may read
        :param snapshot, other_snapshot: as in `get_differences`
        :return: {"only_a", "both", "only_b": numbers of people whom the reader may see; "hidden_a",
            "hidden_b": numbers of the other people of each audience}, or {"error": text}
        :rtype: dict
        """
        first, second = self._get_side(snapshot), self._get_other(other, other_snapshot)
        env = self._get_company_env(self.env)

        def count():
            people = first._select_seen(env), second._select_seen(env)
            return {"sides": count_overlap(self.env, *people, IDENTITY)}

        counted = self._within_time(count)
        if "error" in counted:
            return counted
        only_a, both, only_b = counted["sides"]
        return {
            "only_a": only_a,
            "both": both,
            "only_b": only_b,
            "hidden_a": max(0, first._get_people_count() - only_a - both),
            "hidden_b": max(0, second._get_people_count() - only_b - both),
        }

    def _get_side(self, snapshot):
        """Return what is counted: this audience, or one of its snapshots.

        Both have the methods `_get_people_count`, `_select_contacts`, `_select_seen`,
        `_make_source_line` and `_get_people_action`.

        :param snapshot: id of a snapshot; False for the people of the last refresh
        :raise AccessError: if the reader may not read it
        :raise UserError: for a snapshot of another audience
        """
        self.ensure_one()
        self.check_access("read")
        if not snapshot:
            return self
        kept = self.env["directmail.audience.snapshot"].browse(snapshot).exists()
        kept.check_access("read")
        if kept.audience_id != self:
            raise UserError(self.env._("The snapshot was deleted. Choose another."))
        return kept

    def _get_other(self, other, snapshot=False):
        """Return the other side of a comparison, after checking that the reader may compare.

        :param other: id of an audience; False for all contacts, which gives an empty recordset
        :param snapshot: as in `_get_side`
        :raise AccessError: for an audience that the reader may not read
        :raise UserError: for one of another company
        """
        if not other:
            return self.browse()
        second = self.browse(other)
        side = second._get_side(snapshot)
        if second.company_id != self.company_id:
            raise UserError(
                self.env._("Audiences can only be compared with audiences of the same company.")
            )
        return side

    def _within_time(self, count):
        """Return what a function counts, or {"error": text} if it takes too long or may not."""
        timeout = self.env["directmail.account"]._get_seconds("picture_timeout", PICTURE_TIMEOUT)
        self.env.flush_all()
        try:
            with self.env.cr.savepoint(flush=False), limited(self.env, timeout):
                return count()
        except QueryCanceled:
            return {
                "error": self.env._(
                    "Counting took longer than %s seconds and was stopped. Try again when the"
                    " server is less busy.",
                    int(timeout),
                )
            }

    def _count_traits(self, env, first, other=None, compare=False):
        """Count the contacts of one side, or of two.

        :param env: the reader's, limited to the company of the audiences
        :param first: an audience or a snapshot: see `_get_side`
        :param other: the second side; empty for all contacts
        :param compare: whether there is a second one
        :return: {"people": as the lists of `engine.traits.count_traits`, "traits": its result}
        :rtype: dict
        """
        contacts, query = self._query_contacts(env, first, other, compare)
        traits = [trait for trait in TRAITS if trait.may_read(contacts)]
        columns = {
            trait.name: trait.to_sql(contacts, query) for trait in traits if trait.name != "tags"
        }
        columns = {name: column for name, column in columns.items() if column}
        side = SQL.identifier("sides", "side")
        if compare and not other:
            side = SQL("CASE WHEN %s IS NULL THEN %s ELSE %s END", side, ONLY_B, ONLY_A | ONLY_B)
        named = [SQL("%s AS %s", column, SQL.identifier(n)) for n, column in columns.items()]
        select = query.select(SQL("%s AS side", side), *named)
        counts = count_traits(self.env, select, list(columns))
        contacts, query = self._query_contacts(env, first, other, compare)
        number = SQL.identifier(query.table, "id")
        # Each contact has one value of each trait, except for tags.
        one = next(iter(counts.values()), {})
        everybody = [sum(sides) for sides in zip(*one.values(), strict=True)]
        if TRAIT_OF["tags"] in traits:
            counts["tags"] = count_links(
                self.env,
                query.select(SQL("%s AS id", number), SQL("%s AS side", side)),
                TAGS,
                "partner_id",
                "category_id",
            )
        return {"people": everybody or [0, 0, 0], "traits": counts}

    def _query_contacts(self, env, first, other, compare):
        """Return (empty `res.partner`, query) of the contacts of both sides whom the reader sees.

        The query has the row ``sides`` with the column ``side``; null for a contact who is only in
        all contacts.
        """
        contacts = env["res.partner"].with_context(active_test=compare and not other)
        query = contacts._search(Domain.TRUE)
        sides = join_sides(first._select_contacts(), other._select_contacts() if other else None)
        query.add_join(
            "LEFT JOIN" if compare and not other else "JOIN",
            "sides",
            SQL("(%s)", sides),
            SQL(
                "%s = %s", SQL.identifier("sides", "partner_id"), SQL.identifier(query.table, "id")
            ),
        )
        return contacts, query

    def _select_contacts(self):
        """Return SQL of the ids of the audience's contacts, seen or not."""
        return SQL(
            """SELECT partner_id FROM directmail_audience_member
                WHERE audience_id = %s AND partner_id IS NOT NULL""",
            self.id,
        )

    def _select_seen(self, env):
        """Return SQL, with the columns of a person, of the audience's people whom a reader sees.

        As for a line over the audience, colleagues' bare addresses are left out.

        :param env: the reader's
        """
        members = env["directmail.audience.member"]
        # sudo() leaves out only the rule that members are listed for the audience's owner: the
        # reader may use the audience, and `_seen_to_sql` has the reader's rights to each person.
        query = members.sudo()._search(Domain("audience_id", "=", self.id))
        query.order = None
        query.add_where(members._seen_to_sql(SQL.identifier(query.table), query))
        return query.select(*(SQL.identifier(query.table, column) for column in PERSON_COLUMNS))

    def _get_people_count(self):
        return self.people_count

    def _get_people_action(self, name, domain):
        return self._get_members_action(name, domain)

    def _can_list_people(self):
        """Tell whether the reader may list the members: the owner and administrators may."""
        return self.is_mine

    # === WORDS === #

    def _make_rows(self, env, trait, counts, shown):
        """Return the rows of `get_composition` for one trait.

        :param dict counts: {value: number of contacts}
        :param int shown: the number of all contacts
        """
        labels = trait.label_values(env, counts)
        known = [value for value in counts if value in labels]
        if trait.ordered:
            known = [value for value in trait.ordered if value in counts]
        else:
            known.sort(key=lambda value: (-counts[value], labels[value]))
            if len(known) > VALUES_MAX + 1:
                known = known[:VALUES_MAX]
        rows = [
            {
                "value": value if value is not None else False,
                "label": labels[value],
                "count": counts[value],
                "share": counts[value] / shown,
                "single": True,
                "makes_line": bool(trait.make_lines(env, value)),
            }
            for value in known
        ]
        others = set(counts) - set(known)
        if others and trait.name != "tags":
            number = sum(counts[value] for value in others)
            rows.append(
                {
                    "value": False,
                    "label": env._("%s others", len(others)),
                    "count": number,
                    "share": number / shown,
                    "single": False,
                    "makes_line": False,
                }
            )
        return rows

    def _tell(self, env, trait, value, label, found):
        return {
            "trait": trait.name,
            "value": value if value is not None else False,
            "trait_label": trait.get_label(env),
            "label": label,
            "share": found.share,
            "other": found.other_share,
            "low": found.points.low,
            "high": found.points.high,
            "makes_line": bool(trait.make_lines(env, value)),
        }
