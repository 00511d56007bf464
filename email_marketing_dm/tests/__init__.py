from . import (
    test_account,
    test_audience,
    test_audience_life,
    test_audience_rules,
    test_data_table,
    test_engine,
    test_people,
    test_recipient_pages,
    test_task,
    test_template,
    test_tour,
)
