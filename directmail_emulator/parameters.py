"""Which parameters each operation has, and whether they stand in the query or in the form body.

From SDK 1.11.1, which puts each where the operation's description has it.
"""

from .errors import ApiError

#: which any request may carry: those of the gateway, of the older signature, of the account's owner
COMMON = frozenset(
    "AccessKeyId Action Format RegionId SecurityToken Signature SignatureMethod SignatureNonce"
    " SignatureType SignatureVersion Timestamp Version OwnerId OwnerAccount ResourceOwnerAccount"
    " ResourceOwnerId".split()
)

#: action -> (names in the query, names in the form body)
PARAMETERS = {
    "CreateTag": ("TagDescription TagName", ""),
    "CreateTemplate": (
        (
            "FromType Remark SmsContent SmsType TemplateName TemplateNickName TemplateSubject "
            "TemplateText TemplateType "
        ),
        "",
    ),
    "CreateUserSuppression": ("Address", ""),
    "DeleteInvalidAddress": ("ToAddress", ""),
    "DeleteTag": ("TagId", ""),
    "DeleteTemplate": ("FromType TemplateId", ""),
    "DescAccountSummary": ("", ""),
    "DescDomain": ("DomainId RequireRealTimeDnsRecords", ""),
    "DescTemplate": ("FromType TemplateId", ""),
    "GetSuppressionListLevel": ("", ""),
    "GetTrackList": (
        (
            "AccountName ConfigSetId DedicatedIp DedicatedIpPoolId Domain EndTime Esp Offset "
            "OffsetCreateTime OffsetCreateTimeDesc PageNumber PageSize StartTime TagName Total "
        ),
        "",
    ),
    "GetTrackListByMailFromAndTagName": (
        (
            "AccountName ConfigSetId DedicatedIp DedicatedIpPoolId EndTime Esp Offset "
            "OffsetCreateTime OffsetCreateTimeDesc PageNumber PageSize StartTime TagName Total "
        ),
        "",
    ),
    "GetUser": ("", ""),
    "ListBlockSending": (
        ("BeginTime BlockEmail BlockType EndTime MaxResults NextToken SenderEmail "),
        "",
    ),
    "ListUserSuppression": (
        ("Address EndBounceTime EndCreateTime PageNo PageSize StartBounceTime StartCreateTime "),
        "",
    ),
    "ModifyTag": ("TagDescription TagId TagName", ""),
    "ModifyTemplate": (
        (
            "FromType Remark SmsContent SmsType TemplateId TemplateName TemplateNickName "
            "TemplateSubject TemplateText "
        ),
        "",
    ),
    "QueryDomainByParam": ("KeyWord PageNo PageSize Status", ""),
    "QueryInvalidAddress": ("EndTime KeyWord Length NextStart StartTime", ""),
    "QueryMailAddressByParam": ("KeyWord PageNo PageSize Sendtype", ""),
    "QueryTagByParam": ("KeyWord PageNo PageSize", ""),
    "QueryTemplateByParam": ("FromType KeyWord PageNo PageSize Status", ""),
    "RemoveUserSuppression": ("SuppressionIds", ""),
    "SendTestByTemplate": (
        ("AccountName Birthday Email Gender Mobile NickName TemplateId TemplateParams UserName "),
        "",
    ),
    "SenderStatisticsByTagNameAndBatchID": (
        ("AccountName DedicatedIp DedicatedIpPoolId Domain EndTime Esp StartTime TagName "),
        "",
    ),
    "SenderStatisticsDetailByParam": (
        (
            "AccountName ConfigSetId EndTime IpPoolId Length NextStart StartTime Status TagName "
            "ToAddress "
        ),
        "",
    ),
    "SetSuppressionListLevel": ("SuppressionListLevel", ""),
    "SingleSendMail": (
        "",
        (
            "AccountName AddressType Attachments BccAddress ClickTrace DomainAuth FromAlias "
            "Headers HtmlBody IpPoolId ReplyAddress ReplyAddressAlias ReplyToAddress Subject "
            "TagName Template TextBody ToAddress UnSubscribeFilterLevel UnSubscribeLinkType "
        ),
    ),
    "UnblockSending": ("BlockEmail BlockType SenderEmail", ""),
    "UpdateUser": ("", "User"),
}


#: action -> (names in the query, names in the form body), as sets
PLACES = {
    action: tuple(frozenset(names.split()) for names in places)
    for action, places in PARAMETERS.items()
}


def check(action, query, form, protocol):
    """The parameters that count, as pairs, by the settings ``unknown_parameters`` and
    ``parameter_places``.

    A list's member such as ``Attachments.1.AttachmentName`` has the place of its list.

    :param query, form: pairs of name and value
    :raises ApiError: InvalidParameter, naming the first that may not be there
    """
    in_query, in_form = PLACES.get(action, (frozenset(), frozenset()))
    taken = []
    for pairs, here, place in ((query, in_query, "query"), (form, in_form, "form body")):
        for name, value in pairs:
            base = name.partition(".")[0]
            known = base in COMMON or base in in_query or base in in_form
            if not known and protocol.unknown_parameters == "refuse":
                raise ApiError("InvalidParameter", f"{action} has no parameter {name}.")
            if known and base not in COMMON and base not in here:
                if protocol.parameter_places == "refuse":
                    raise ApiError(
                        "InvalidParameter", f"{name} of {action} may not be in the {place}."
                    )
                if protocol.parameter_places == "ignore":
                    continue
            taken.append((name, value))
    return taken
