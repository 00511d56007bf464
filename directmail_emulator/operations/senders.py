"""Sender addresses and domains (reading only)."""

from __future__ import annotations

from ..clock import beijing_day, beijing_minute
from ..errors import ApiError
from . import operation

#: sender addresses and domains come from the configuration; they were "created" then
CREATED = 1735689600.0  # 2025-01-01 00:00 UTC


def _flag(good):
    """The service's way: "0" is good, "1" is not."""
    return "0" if good else "1"


def _page(call, items, size):
    number, size, offset = call.params.page(size)
    return items[offset : offset + size], {
        "TotalCount": len(items),
        "PageNumber": number,
        "PageSize": size,
    }


@operation("QueryMailAddressByParam")
def query_mail_address_by_param(call):
    config, keyword = call.account.config, call.params.text("KeyWord").lower()
    kind = call.params.text("Sendtype")
    numbered = [
        (number, sender)
        for number, sender in enumerate(config.senders, 1)
        if keyword in sender.address.lower() and kind in ("", sender.type)
    ]
    day = beijing_day(call.now)
    used = {
        row["sender"]: (row["today"], row["month"])
        for row in call.store.rows(
            "SELECT sender, sum(CASE WHEN day = ? THEN mails ELSE 0 END) AS today,"
            " sum(mails) AS month FROM usage WHERE account = ? AND day LIKE ? GROUP BY sender",
            (day, call.account.id, f"{day[:7]}%"),
        )
    }
    shown, answer = _page(call, numbered, 10)
    answer["data"] = {
        "mailAddress": [
            _mail_address(call.account, number, sender, *used.get(sender.address, (0, 0)))
            for number, sender in shown
        ]
    }
    return answer


def _mail_address(account, number, sender, today, month):
    domain = account.domain(sender.address.rpartition("@")[2])
    daily = sender.daily_count or account.config.daily_quota
    return {
        "AccountName": sender.address,
        "AccountStatus": _flag(not sender.frozen),
        "AddressType": "1",
        "ConfigSetId": "",
        "ConfigSetName": "",
        "CreateTime": beijing_minute(CREATED),
        "DailyCount": str(daily),
        "DailyReqCount": str(today),
        "DomainStatus": _flag(domain is not None and domain.healthy),
        "MailAddressId": str(number),
        "MailAddressVerificationStatus": _flag(True),
        "MonthCount": str(daily * 30),
        "MonthReqCount": str(month),
        "ReplyAddress": sender.reply_address,
        "ReplyStatus": _flag(bool(sender.reply_address) and sender.reply_verified),
        "SenderAddress": sender.address,
        "Sendtype": sender.type,
    }


@operation("QueryDomainByParam")
def query_domain_by_param(call):
    keyword, status = call.params.text("KeyWord").lower(), call.params.text("Status")
    numbered = [
        (number, domain)
        for number, domain in enumerate(call.account.config.domains, 1)
        if keyword in domain.name.lower() and status in ("", _flag(domain.healthy))
    ]
    shown, answer = _page(call, numbered, 10)
    answer["data"] = {
        "domain": [
            {
                "CnameAuthStatus": _flag(domain.cname),
                "ConfirmStatus": _flag(domain.cname),
                "CreateTime": beijing_minute(CREATED),
                "DomainId": str(number),
                "DomainName": domain.name,
                "DomainRecord": f"aliyundm-{number:08x}",
                "DomainStatus": _flag(domain.healthy),
                "IcpStatus": "1" if domain.icp else "0",
                "MxAuthStatus": _flag(domain.mx),
                "SpfAuthStatus": _flag(domain.spf),
                "UtcCreateTime": int(CREATED),
            }
            for number, domain in shown
        ]
    }
    return answer


@operation("DescDomain", "DomainId")
def desc_domain(call):
    number = call.params.integer("DomainId", 0)
    domains = call.account.config.domains
    call.params.boolean("RequireRealTimeDnsRecords")
    if not 1 <= number <= len(domains):
        raise ApiError("InvalidDomain.NotFound")
    domain = domains[number - 1]
    region, name = call.account.config.region, domain.name
    spf = f"v=spf1 include:spf.{region}.dm.aliyun.com -all"
    return {
        "CnameAuthStatus": _flag(domain.cname),
        "CnameConfirmStatus": _flag(domain.cname),
        "CnameRecord": "dmtrace",
        "CreateTime": beijing_minute(CREATED),
        "DefaultDomain": "0",
        "DkimAuthStatus": _flag(domain.dkim),
        "DkimPublicKey": "v=DKIM1; k=rsa; p=",
        "DkimRR": f"aliyun-{region}._domainkey",
        "DkimRsaLength": 2048,
        "DmarcAuthStatus": 0 if domain.dmarc else 1,
        "DmarcHostRecord": "_dmarc",
        "DmarcRecord": f"v=DMARC1;p=none;rua=mailto:dmarc@{name}",
        "DnsDmarc": "v=DMARC1;p=none" if domain.dmarc else "",
        "DnsMx": f"mx01.dm.{region}.aliyuncs.com" if domain.mx else "",
        "DnsSpf": spf if domain.spf else "",
        "DnsTxt": f"aliyundm-{number:08x}" if domain.verified else "",
        "DomainId": str(number),
        "DomainName": name,
        "DomainStatus": _flag(domain.healthy),
        "DomainType": f"aliyundm-{number:08x}",
        "DomainVersion": 2,
        "HostRecord": "aliyundm",
        "IcpStatus": "1" if domain.icp else "0",
        "MxAuthStatus": _flag(domain.mx),
        "MxRecord": f"mx01.dm.{region}.aliyuncs.com",
        "SpfAuthStatus": _flag(domain.spf),
        "SpfRecord": f"include:spf.{region}.dm.aliyun.com",
        "SpfRecordV2": spf,
        "TlDomainName": ".".join(name.split(".")[-2:]),
        "TracefRecord": f"tracedm-{region}.aliyuncs.com",
    }
