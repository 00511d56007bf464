from . import (
    directmail_keyring,
    directmail_data_key,
    directmail_rekey,
    directmail_aes_key,
    directmail_aes_known,
)
