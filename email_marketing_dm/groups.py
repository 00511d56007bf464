"""XML ids of the addon's groups: for `has_group`, `env.ref`, and the groups of fields."""

GROUP_USER = "email_marketing_dm.group_user"
GROUP_ADMIN = "email_marketing_dm.group_admin"
GROUP_DOWNLOAD = "email_marketing_dm.group_download"
