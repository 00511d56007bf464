"""Find or erase the rows that the app stores about a few people."""

from dataclasses import dataclass
from typing import NamedTuple

from odoo.tools import SQL


class PersonTable(NamedTuple):
    """A table with rows about people, and how a row leads to its company.

    :ivar parent: (column, table) of the record with the company; None if the row has `company_id`
    """

    name: str
    parent: tuple[str, str] | None = None

    def is_of(self, company_ids):
        """Return SQL of the condition that a row belongs to one of the companies."""
        companies = tuple(company_ids) or (0,)
        if not self.parent:
            return SQL("company_id IN %s", companies)
        column, table = map(SQL.identifier, self.parent)
        return SQL("%s IN (SELECT id FROM %s WHERE company_id IN %s)", column, table, companies)


DELIVERIES = PersonTable("directmail_delivery")
OPTOUTS = PersonTable("directmail_optout")
CONSENTS = PersonTable("directmail_consent")
PREFERENCES = PersonTable("directmail_preference")
PREFERENCE_LINKS = PersonTable("directmail_preference_link")
ROWS = PersonTable("directmail_upload_line", ("upload_id", "directmail_upload"))


def is_erased(delivery):
    """Return SQL that tells whether the person of a delivery was erased by `People.erase`.

    A contact or record that was deleted leaves its address key.

    :param SQL delivery: its table's alias
    :rtype: SQL
    """
    return SQL(
        "(%(d)s.partner_id IS NULL AND %(d)s.res_model IS NULL AND %(d)s.address_key IS NULL)",
        d=delivery,
    )


@dataclass(frozen=True)
class People:
    """A few contacts, and the rows stored for them or for their addresses.

    Rows of other companies are not touched, even if the companies share the contacts.

    :ivar keys: address keys of the contacts
    :ivar company_ids: only rows of these companies are found or erased
    :ivar members: `PersonTable`s of members of audiences, lines of uploads and the like
    :ivar scores: `PersonTable`s of results per contact (with `partner_id` only), which are computed
        again from Odoo's records
    """

    partner_ids: list[int]
    keys: list[str]
    company_ids: list[int]
    members: list[PersonTable]
    scores: list[PersonTable]

    def find_deliveries(self, env):
        """Return the ids of their deliveries."""
        return [row[0] for row in env.execute_query(self._select(SQL("id"), DELIVERIES))]

    def find_optouts(self, env):
        """Return the ids of their opt-outs."""
        return [row[0] for row in env.execute_query(self._select(SQL("id"), OPTOUTS))]

    def find_consents(self, env):
        """Return the ids of their answers about being mailed and measured."""
        return [row[0] for row in env.execute_query(self._select(SQL("id"), CONSENTS))]

    def find_preferences(self, env):
        """Return the ids of their preferences: fewer mails, a pause, the language."""
        return [row[0] for row in env.execute_query(self._select(SQL("id"), PREFERENCES))]

    def find_emails(self, env):
        """Return the addresses in clear to which links were mailed that they asked for."""
        links = self._select(SQL("email"), PREFERENCE_LINKS)
        return [email for (email,) in env.execute_query(links) if email]

    def find_rows(self, env):
        """Return the ids of their rows in uploaded lists."""
        return [row[0] for row in env.execute_query(self._select(SQL("id"), ROWS))]

    def count_members(self, env):
        """Return the number of their rows in the tables `members`."""
        return sum(
            env.execute_query(self._select(SQL("count(*)"), table))[0][0] for table in self.members
        )

    def erase(self, env):
        """Erase these people from the stored rows; the tasks' counters stay.

        Deliveries and events lose the person, address and messages; members, rows of uploads with
        their values, preferences, scores and stages are deleted. Opt-outs and answers about being
        mailed or measured lose the person and the address but keep the address key, because
        without it the people would be mailed or measured again.

        The caller has applied the pending events: they find their delivery by the address key that
        is erased. The caller flushes before, and invalidates after.
        """
        self._erase_mails(env)
        self._erase_answers(env)
        self._erase_lists(env)

    def _erase_mails(self, env):
        deliveries = tuple(self.find_deliveries(env)) or (0,)
        env.cr.execute(SQL("DELETE FROM directmail_family_mail WHERE id IN %s", deliveries))
        env.cr.execute(
            SQL(
                "DELETE FROM directmail_unsubscribe_request WHERE delivery_number IN %s",
                deliveries,
            )
        )
        env.cr.execute(
            SQL(
                """UPDATE directmail_delivery
                      SET partner_id = NULL, res_model = NULL, res_id = NULL, email = NULL,
                          email_encrypted = NULL, address_key = NULL, message = NULL,
                          envelope = NULL
                    WHERE id IN %s""",
                deliveries,
            )
        )
        env.cr.execute(
            SQL(
                """UPDATE directmail_event SET address_key = NULL, message = NULL
                    WHERE delivery_id IN %s OR address_key IN %s AND company_id IN %s""",
                deliveries,
                tuple(self.keys) or ("",),
                tuple(self.company_ids) or (0,),
            )
        )

    def _erase_answers(self, env):
        env.cr.execute(
            SQL(
                """UPDATE directmail_optout SET partner_id = NULL, email = NULL,
                          email_encrypted = NULL, feedback = NULL
                    WHERE %s AND %s""",
                self._is_about(),
                OPTOUTS.is_of(self.company_ids),
            )
        )
        env.cr.execute(
            SQL(
                "DELETE FROM directmail_preference WHERE %s AND %s",
                self._is_about(),
                PREFERENCES.is_of(self.company_ids),
            )
        )
        env.cr.execute(
            SQL(
                "DELETE FROM directmail_preference_link WHERE %s AND %s",
                self._is_about(),
                PREFERENCE_LINKS.is_of(self.company_ids),
            )
        )
        env.cr.execute(
            SQL(
                """DELETE FROM directmail_consent
                    WHERE purpose NOT IN ('measuring', 'mailing') AND %s AND %s""",
                self._is_about(),
                CONSENTS.is_of(self.company_ids),
            )
        )
        env.cr.execute(
            SQL(
                """UPDATE directmail_consent SET partner_id = NULL, email = NULL,
                          email_encrypted = NULL, delivery_id = NULL, ip = NULL, user_agent = NULL,
                          confirmation_ip = NULL, note = NULL
                    WHERE %s AND %s""",
                self._is_about(),
                CONSENTS.is_of(self.company_ids),
            )
        )

    def _erase_lists(self, env):
        # A duplicate row of an upload has no address key if its person has no contact: its
        # `match_key` is that of the row with the address key.
        env.cr.execute(
            SQL(
                """DELETE FROM directmail_upload_line
                    WHERE status = 'duplicate' AND (upload_id, match_key) IN (%s)""",
                self._select(SQL("upload_id, match_key"), ROWS),
            )
        )
        conditions = [(table, self._is_about_in(table)) for table in self.members]
        conditions += [(table, self._is_them()) for table in self.scores]
        for table, condition in conditions:
            env.cr.execute(
                SQL(
                    "DELETE FROM %s WHERE %s AND %s",
                    SQL.identifier(table.name),
                    condition,
                    table.is_of(self.company_ids),
                )
            )

    def _select(self, columns, table):
        return SQL(
            "SELECT %s FROM %s WHERE %s AND %s",
            columns,
            SQL.identifier(table.name),
            self._is_about_in(table),
            table.is_of(self.company_ids),
        )

    def _is_about_in(self, table):
        """Return `_is_about` for a table; a row of an upload may also name them in `match_keys`."""
        if table != ROWS:
            return self._is_about()
        ids = [str(number) for number in self.partner_ids]
        return SQL("(%s OR match_keys @> ANY(%s::jsonb[]))", self._is_about(), ids)

    def _is_about(self):
        """Return SQL of the condition that a row's contact or address key is one of theirs."""
        return SQL("(%s OR address_key IN %s)", self._is_them(), tuple(self.keys) or ("",))

    def _is_them(self):
        """Return SQL of the condition that a row's contact is one of theirs."""
        return SQL("partner_id IN %s", tuple(self.partner_ids) or (0,))
