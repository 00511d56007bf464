#: Fields of this addon on other apps' models are read apart from the models' own. New code may be
#: started on a database that has not been upgraded: without the columns only what needs them fails.
PREFETCH = "email_marketing_dm"
