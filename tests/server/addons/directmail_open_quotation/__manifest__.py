{
    "name": "DirectMail: Contacts with an Open Quotation",
    "summary": "A kind of audience line that another addon adds; the recipe of CONTRIBUTING.md",
    "version": "19.0.1.0.0",
    "author": "Email Marketing with DirectMail contributors",
    "license": "LGPL-3",
    "depends": ["email_marketing_dm", "sale"],
    "data": ["views/directmail_audience_line_views.xml"],
    "installable": True,
}
