-- A neutralised database talks to nobody: no key, no account that sends.
UPDATE directmail_account
   SET state = 'disarmed',
       access_key_id = NULL,
       access_key_secret_sealed = NULL,
       security_token_sealed = NULL,
       token_expires_at = NULL,
       -- The server's own rights are no key that could be taken away, so no account uses them.
       credentials = 'key',
       ram_role = NULL,
       database_identity = NULL;

-- Nor can it read encrypted addresses, until the same key is entered again.
UPDATE directmail_aes_key SET key_sealed = NULL;
