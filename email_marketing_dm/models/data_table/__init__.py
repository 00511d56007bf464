from . import (
    directmail_data_table,
    directmail_data_table_facts,
    directmail_data_table_starts,
    directmail_data_table_presets,
    directmail_data_table_rights,
)
