# Made with openssl: see tests/unit/test_aes.py.
KEY = "0123456789abcDEF"
ALICE = "13/1YKmdS/itveyTAlGUOV+7eV+CASnGrjvg1ECZfNs="
ALICE_HEX = "d77ff560a99d4bf8adbdec93025194395fbb795f820129c6ae3be0d440997cdb"
BOB = "yrdzBwHOt01JJEt6CR8n1Ohg612NTpgaLnpAj9WttaI="
X = "axDabpmbWiGR1vxNxL+c2w=="
NO_ADDRESS = "qageTq6x2684KRLnPHHvkw=="
# AESGCM(KEY.encode()).encrypt(nonce, b"alice@example.com", None) of cryptography, nonce in front.
ALICE_GCM = "AAECAwQFBgcICQoLZgdmKsEjxJUIWeOHsZ3Iv4jvDyBOWE6cVbpsVcBW+NOs"


class EncryptedMixin:
    """Contacts whose addresses are encrypted with AES, and the company's key to them."""

    @classmethod
    def _enter_key(cls, key=KEY, user=None, **vals):
        return (
            cls.env["directmail.aes.key"].with_user(user or cls.admin).create({"key": key, **vals})
        )

    def _run_reading(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_aes").method_direct_trigger()
        self.env.invalidate_all()

    @classmethod
    def _make_encrypted(cls, *values, **vals):
        return cls.env["res.partner"].create(
            [
                {"name": f"Encrypted {i}", "email_encrypted": value, **vals}
                for i, value in enumerate(values)
            ]
        )
