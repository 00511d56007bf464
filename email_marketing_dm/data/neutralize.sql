-- A neutralised database talks to nobody: no key, no account that sends.
UPDATE directmail_account
   SET state = 'disarmed',
       access_key_id = NULL,
       access_key_secret_sealed = NULL,
       database_identity = NULL;

-- Nor can it read encrypted addresses, until the same key is entered again.
UPDATE directmail_aes_key SET key_sealed = NULL;
