from . import (
    directmail_people_model,
    directmail_people_result,
    directmail_people_move,
    directmail_rfm_model,
    directmail_rfm_preview,
    directmail_aipl_model,
)
