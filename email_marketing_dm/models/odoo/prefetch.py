#: Prefetch group of this addon's fields on other apps' models, so that Odoo does not read them with
#: the models' own fields: on a database that is not upgraded yet, their columns may be missing.
PREFETCH = "email_marketing_dm"
