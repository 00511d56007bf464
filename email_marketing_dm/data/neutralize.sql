-- A neutralised database talks to nobody: no key, no account that sends.
UPDATE directmail_account
   SET state = 'disarmed',
       access_key_id = NULL,
       access_key_secret_sealed = NULL,
       database_identity = NULL;
