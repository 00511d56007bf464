"""Look up models by stored names; their app may have been uninstalled since."""

from ..exceptions import UninstalledError


def find_model(env, name):
    """Return the empty recordset of a model, or None if no installed app has it.

    :param str name: as it is stored, for example in `res_model`; may be empty
    """
    return env.get(name) if name else None


def get_model(env, name, table):
    """Return the empty recordset of a model; raise if no installed app has it.

    :param str name: as it is stored, for example in `directmail.data.table.model_name`
    :param str table: the name of the data table that reads the model, for the message
    :raise UninstalledError: a `UserError`, if no installed app has the model
    """
    model = find_model(env, name)
    if model is None:
        raise UninstalledError(
            env._(
                "The data table %(table)s can't be used, because the app with its records"
                " (%(model)s) is not installed. Install the app again, or choose another data"
                " table.",
                table=table,
                model=name or "?",
            )
        )
    return model
