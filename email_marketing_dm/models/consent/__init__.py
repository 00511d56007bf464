from . import (
    directmail_letter,
    directmail_purpose,
    directmail_preference,
    directmail_preference_link,
    directmail_consent,
    directmail_consent_mailing,
    directmail_consent_proof,
    directmail_optout,
    directmail_optout_file,
    directmail_signup_form,
    directmail_signup,
    directmail_unsubscribe_request,
)
