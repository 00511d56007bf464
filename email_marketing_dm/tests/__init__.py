from . import (
    test_account,
    test_audience,
    test_data_table,
    test_engine,
    test_models_oracle,
    test_people_models,
    test_people,
    test_recipient_pages,
    test_task,
    test_template,
    test_template_review,
    test_tour,
)
