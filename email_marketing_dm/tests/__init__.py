from . import (
    test_account,
    test_audience,
    test_data_table,
    test_engine,
    test_fatigue,
    test_people,
    test_quiet,
    test_recipient_pages,
    test_task,
    test_template,
    test_tour,
)
