from . import (
    test_account,
    test_audience,
    test_engine,
    test_events,
    test_recipient_pages,
    test_task,
    test_template,
    test_tour,
    test_tracking,
)
