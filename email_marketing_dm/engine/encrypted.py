"""Compute the address keys of encrypted addresses, in Python, whenever a value is written."""

from odoo.tools import SQL


class AddressReader:
    """Decrypts addresses; all methods but `read_address` return or write address keys only.

    :param master_key: a `privacy.keys.MasterKey`; None if `keys` is empty
    :param keys: {company id: (reference, `privacy.aes.AesKey`)}
    :param is_known: tells which CBC values may be decrypted: see `privacy.aes.AesKey.read_address`
    """

    def __init__(self, master_key, keys, is_known=None):
        self._master_key = master_key
        self._keys = keys
        self._is_known = is_known

    def find_key(self, value, company_id=None):
        """Return (address key, reference of the AES key) of an encrypted address.

        The AES key is that of the contact's company. For a contact without a company each key is
        tried; decrypting with a wrong one yields no valid address.

        :return: (None, None) if the value can't be decrypted
        """
        if not value or not self._keys:
            return None, None
        own = self._keys.get(company_id)
        for reference, key in [own] if own else () if company_id else self._keys.values():
            if address := key.read_address(value, self._is_known):
                return self._master_key.address_key(address), reference
        return None, None

    def read_address(self, value, company_id):
        """Return the address in clear and its key, for a mail that is about to be sent.

        `is_known` is not asked about CBC values here, because the caller compares the address key
        with that of the delivery, which `find_key` made.

        :return: (address, its key), or (None, None) if the value can't be decrypted
        """
        own = self._keys.get(company_id)
        address = own and own[1].read_address(value, is_known=lambda digest: True)
        return (address, self._master_key.address_key(address)) if address else (None, None)

    def write_partners(self, env, rows):
        """Write the address key, AES key reference and validity of contacts' encrypted addresses.

        :param rows: [(partner id, encrypted address, company id)]
        """
        values = SQL(", ").join(
            SQL("(%s, %s, %s)", partner_id, *self.find_key(value, company_id))
            for partner_id, value, company_id in rows
        )
        env.execute_query(
            SQL(
                """UPDATE res_partner p
                      SET email_encrypted_key = found.address_key,
                          email_encrypted_aes = found.reference,
                          email_encrypted_valid = found.address_key IS NOT NULL
                     FROM (VALUES %s) AS found (id, address_key, reference)
                    WHERE p.id = found.id RETURNING 1""",
                values,
            )
        )
