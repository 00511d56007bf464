from . import (
    directmail_keyring,
    directmail_rekey,
    directmail_aes_key,
)
