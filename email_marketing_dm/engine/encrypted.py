"""Encrypted addresses: their keys, worked out in Python whenever a value is written."""

from odoo.tools import SQL


class AddressReader:
    """Reads encrypted addresses and tells only their address keys.

    :param master_key: a `privacy.keys.MasterKey`; None where there are no keys
    :param keys: {company id: (reference, `privacy.aes.AesKey`)}
    :param is_known: tells which CBC values may be read: see `privacy.aes.AesKey.read_address`
    """

    def __init__(self, master_key, keys, is_known=None):
        self._master_key = master_key
        self._keys = keys
        self._is_known = is_known

    def find_key(self, value, company_id=None):
        """Return (address key, reference of the AES key) of an encrypted address.

        Which company's key it was encrypted with is told by the contact's company. Where that is
        open every key is tried: a wrong one leads to no address.

        :return: (None, None) where the value can't be read
        """
        if not value or not self._keys:
            return None, None
        own = self._keys.get(company_id)
        for reference, key in [own] if own else () if company_id else self._keys.values():
            if address := key.read_address(value, self._is_known):
                return self._master_key.address_key(address), reference
        return None, None

    def read_address(self, value, company_id):
        """Return the clear address itself, for the one mail that is about to be sent.

        Any CBC value is read here. The caller compares the key with that of the delivery, which
        `find_key` made.

        :return: (address, its key), or (None, None)
        """
        own = self._keys.get(company_id)
        address = own and own[1].read_address(value, is_known=lambda digest: True)
        return (address, self._master_key.address_key(address)) if address else (None, None)

    def write_partners(self, env, rows):
        """Write down keys and validity of contacts.

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
