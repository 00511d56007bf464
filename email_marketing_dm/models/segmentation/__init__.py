from . import (
    directmail_people_model,
    directmail_people_result,
    directmail_rfm_model,
    directmail_aipl_model,
)
