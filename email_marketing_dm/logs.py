import logging
import re

# In the address of a tracking pixel, a tracked link or a page of a recipient, before the token.
_TOKEN = re.compile(
    r"(/directmail/(?:open|click/\d+/\d+|signup/confirm|preferences|unsubscribe|view)/)[\w-]+"
)


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


class WithoutTokens(logging.Filter):
    """Replaces the token of pixels, tracked links and recipients' pages in the log of requests.

    A pixel's or link's token names the recipient, who may have refused to be measured after the
    mail was sent. Who has the token of a confirmation can confirm the sign-up, and who has that of
    a recipient's page can change what the recipient chose, and may see what is stored.
    """

    def filter(self, record):
        if isinstance(record.args, tuple) and any(
            isinstance(value, str) and "/directmail/" in value for value in record.args
        ):
            record.args = tuple(
                _TOKEN.sub(r"\1...", value) if isinstance(value, str) else value
                for value in record.args
            )
        return True


logging.getLogger("werkzeug").addFilter(WithoutTokens())
logging.getLogger("odoo.service.model").addFilter(WithoutArguments())
