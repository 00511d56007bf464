from . import (
    directmail_template_content,
    directmail_template,
    directmail_template_author,
    directmail_template_findings,
    directmail_template_page,
    directmail_template_pictures,
    directmail_template_preflight,
    directmail_template_review,
    directmail_template_submit,
    directmail_template_next,
    directmail_design,
)
