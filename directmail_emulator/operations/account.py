"""The account itself."""

import json

from ..errors import ApiError
from . import operation


@operation("DescAccountSummary")
def desc_account_summary(call):
    account, config = call.account, call.account.config

    def count(table):
        return call.store.value(f"SELECT count(*) FROM {table} WHERE account = ?", (account.id,))

    return {
        "DailyQuota": config.daily_quota,
        "DailyRemainFreeQuota": min(config.free_quota, 200),
        "DayuStatus": 0,
        "Domains": len(config.domains),
        "EnableTimes": 0,
        "IpChannelType": config.ip_channel_type,
        "MailAddresses": len(config.senders),
        "MaxQuotaLevel": config.max_quota_level,
        "MonthQuota": config.month_quota or config.daily_quota * 30,
        "QuotaLevel": config.quota_level,
        "Receivers": 0,
        "RemainFreeQuota": config.free_quota,
        "SmsRecord": 0,
        "SmsSign": 0,
        "SmsTemplates": 0,
        "Tags": count("tag"),
        "Templates": count("template"),
        "UserStatus": config.user_status,
    }


@operation("GetUser")
def get_user(call):
    return {"Data": {"EnableEventbridge": call.account.config.enable_eventbridge}}


@operation("UpdateUser", "User")
def update_user(call):
    try:
        user = json.loads(call.params["User"])
    except ValueError:
        raise ApiError("InvalidParameter", "User is not JSON.") from None
    if not isinstance(user, dict):
        raise ApiError("InvalidParameter", "User is not an object.")
    enabled = user.get("EnableEventbridge")
    if isinstance(enabled, str) and enabled.lower() in ("true", "false"):
        enabled = enabled.lower() == "true"
    if enabled is not None and not isinstance(enabled, bool):
        raise ApiError("InvalidParameter", "EnableEventbridge is neither true nor false.")
    if enabled is not None:
        call.account.change({"enable_eventbridge": enabled})
    return {}
