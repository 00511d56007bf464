"""E-mail addresses as DirectMail takes them."""

import re

#: letters, digits, "_", "-", "+", "." (error code page, EmailFormatError; ASCII only)
_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")


def is_address(text):
    return _ADDRESS.fullmatch(text) is not None


def domain_of(address):
    return address.rpartition("@")[2].lower()
