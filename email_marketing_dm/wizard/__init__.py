from . import directmail_audience_add, directmail_audience_comparison, directmail_task_estimate
from . import directmail_consent_answer
from . import directmail_engagement, directmail_erasure
from . import directmail_fatigue_status
from . import directmail_template_link, directmail_template_test
from . import directmail_task_follow_up
from . import directmail_task_generate
from . import directmail_rekey_start
from . import directmail_optout_import
from . import base_module_uninstall, base_partner_merge
from . import directmail_first_contact_offer
from . import directmail_key_replace, directmail_ram_policy
from . import directmail_sender_warm_up
from . import directmail_series_try
from . import directmail_series_audience
from . import directmail_series_put
from . import directmail_trial
