from . import (
    test_account,
    test_audience,
    test_data_table,
    test_engine,
    test_people,
    test_recipient_pages,
    test_task,
    test_task_content,
    test_template,
    test_template_review,
    test_tour,
)
