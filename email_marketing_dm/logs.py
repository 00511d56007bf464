import logging


class WithoutArguments(logging.Filter):
    """Replaces the arguments of calls of `directmail.*` models in the log by "...".

    At the level debug, `odoo.service.model` logs each call with its arguments, which may be an
    AccessKey secret, an AES key or a list of addresses.
    """

    def filter(self, record):
        if isinstance(record.args, tuple) and len(record.args) == 3:
            records, method, _arguments = record.args
            if getattr(records, "_name", "").startswith("directmail."):
                record.args = (records, method, "...")
        return True


logging.getLogger("odoo.service.model").addFilter(WithoutArguments())
