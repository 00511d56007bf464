"""How the engine finds people and their addresses: it calls no model, so this is handed to it."""

from ..engine.context import PeopleContext


def _get_master_key(env):
    return env["directmail.keyring"]._get_master_key()


def _select_records(env, company_id):
    return env["directmail.data.table"]._select_present(company_id)


PEOPLE_CONTEXT = PeopleContext(_get_master_key, _select_records)
