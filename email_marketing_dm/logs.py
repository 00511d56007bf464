import logging


class WithoutArguments(logging.Filter):
    """Keeps what our models are called with out of the log.

    At the level debug Odoo writes each call with its arguments: an AccessKey's secret, an AES key,
    a list of addresses.
    """

    def filter(self, record):
        if isinstance(record.args, tuple) and len(record.args) == 3:
            records, method, _arguments = record.args
            if getattr(records, "_name", "").startswith("directmail."):
                record.args = (records, method, "...")
        return True


logging.getLogger("odoo.service.model").addFilter(WithoutArguments())
