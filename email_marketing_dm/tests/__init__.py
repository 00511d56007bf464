from .account import (
    test_account,
    test_account_connection,
    test_account_credentials,
    test_company,
    test_company_search,
    test_first_contact,
    test_public_pages,
)
from .audience import (
    test_audience,
    test_audience_add,
    test_audience_download,
    test_audience_life,
    test_audience_line_models,
    test_audience_lines,
    test_audience_oracle,
    test_audience_refresh,
    test_audience_sources,
    test_excluded,
    test_mailing_list,
    test_migration_audiences,
    test_people,
    test_subset,
)
from .consent import (
    test_erasure,
    test_optout_file,
    test_recipient_pages,
    test_unsubscribe_link,
)
from .data_table import (
    test_data_table,
    test_migration_data_tables,
    test_migration_presets,
    test_rights_data_table,
)
from .delivery import (
    test_doubts,
    test_events,
    test_events_wishes,
    test_poll,
    test_push,
    test_tracking,
    test_ways,
)
from .fatigue import (
    test_clock,
    test_fatigue,
    test_fatigue_oracle,
    test_quiet,
)
from .home import (
    test_home,
    test_home_tour,
    test_next_step,
)
from .key import (
    test_encrypted,
    test_encrypted_cbc,
    test_linked_names,
    test_lost_key_pages,
    test_master_key,
    test_rekey,
)
from .odoo import (
    test_followers,
    test_in_use,
    test_injection,
    test_international,
    test_js,
    test_odoo_mailings,
    test_odoo_ways,
    test_platform,
    test_readonly,
    test_record_rules,
    test_rights_owner,
    test_seen,
    test_settings,
    test_tour,
    test_views,
)
from .segmentation import (
    test_aipl,
    test_models_oracle,
    test_rfm,
    test_rfm_use,
)
from .task import (
    test_conversion,
    test_effectiveness,
    test_engine,
    test_task,
    test_task_content,
    test_task_estimate,
    test_task_model,
    test_task_page,
    test_task_reply,
    test_task_report,
    test_task_stops,
    test_task_tag,
    test_tens,
    test_tens_task,
    test_waiting,
)
from .template import (
    test_dead_links,
    test_design,
    test_lengths,
    test_mail_builder,
    test_mail_html,
    test_template,
    test_template_author,
    test_template_content,
    test_template_in_step,
    test_template_link,
    test_template_places,
    test_template_preflight,
    test_template_review,
    test_template_test,
    test_template_tour,
    test_template_values,
    test_upload_placeholders,
)
from .upload import (
    test_export_cells,
    test_upload,
    test_upload_columns,
    test_upload_consent,
    test_upload_files,
    test_upload_life,
    test_upload_people,
)
