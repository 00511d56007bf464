"""The columns that describe a person in SQL: see `directmail.person`."""

from odoo.tools import SQL

#: {column: its type in PostgreSQL}, in the order in which SQL that selects people has the columns
PERSON_TYPES = {
    "partner_id": "int",
    "res_model": "varchar",
    "res_id": "int",
    "email": "varchar",
    "email_encrypted": "varchar",
    "address_key": "varchar",
}
PERSON_COLUMNS = tuple(PERSON_TYPES)


def person_columns(*kept, alias=None, **values):
    """Return SQL of the columns of a person, for a SELECT; columns that are not given are NULL.

    Every SELECT of people is made with it: in a UNION columns are matched by position, and the
    types of the first SELECT decide.

    :param kept: names of columns that are taken as they are
    :param str alias: name of the row that has the columns ``kept``; not needed if only one has
    :param values: {column: SQL of its value}
    :rtype: SQL
    """
    columns = []
    for name, type_name in PERSON_TYPES.items():
        column = SQL.identifier(name)
        if name in values:
            columns.append(SQL("%s AS %s", values[name], column))
        elif name in kept:
            columns.append(SQL.identifier(alias, name) if alias else column)
        else:
            columns.append(SQL("NULL::%s AS %s", SQL(type_name), column))
    return SQL(", ").join(columns)


#: SQL of all columns, as a table of people has them
PERSON = person_columns(*PERSON_COLUMNS)


def list_addresses(people):
    """Return SQL of the rows of a VALUES list: address_key, email, email_encrypted.

    :param dict people: {address key: values with, possibly, "email" and "email_encrypted"}
    :rtype: SQL
    """
    return SQL(", ").join(
        SQL(
            "(%s::varchar, %s::varchar, %s::varchar)",
            key,
            person.get("email"),
            person.get("email_encrypted"),
        )
        for key, person in people.items()
    )
