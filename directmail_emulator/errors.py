"""The errors that the gateway and DirectMail answer with."""

#: Code -> (HTTP status, message). Where pages of the provider disagree about the status, the
#: later list wins; clients should match on the code only. Codes marked "guess" are not on any
#: page that we know of: they follow the pattern of their neighbours.
CATALOGUE = {
    # The gateway in front of DirectMail
    "InvalidApi.NotFound": (404, "Specified api is not found, please check your url and method."),
    "InvalidVersion": (400, "Specified parameter Version is not valid."),
    "InvalidProtocol.NeedSsl": (400, "Your request is denied as lack of ssl protect."),
    "IncompleteSignature": (400, "The request signature does not conform to Aliyun standards."),
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "InvalidAccessKeyId.Inactive": (400, "Specified access key is disabled."),
    "InvalidSecurityToken.Expired": (400, "Specified SecurityToken is expired."),
    "InvalidSecurityToken.Malformed": (400, "Specified SecurityToken is malformed."),
    "MissingSecurityToken": (400, "SecurityToken is mandatory for this action."),
    "SignatureDoesNotMatch": (400, "Specified signature is not matched with our calculation."),
    "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
    "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
    "InvalidTimeStamp.Format": (400, "Specified time stamp or date value is not well formatted."),
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "Forbidden.RAM": (
        403,
        "User not authorized to operate on the specified resource, or this API"
        " doesn't support RAM.",
    ),
    "InvalidIP.NotFound": (404, "The specified IP is not on the allow-list."),
    "RequestEntityTooLarge": (413, "The request is too large."),
    "InternalError": (
        500,
        "The request processing has failed due to some unknown error, exception or failure.",
    ),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    # Senders and domains
    "InvalidMailAddressName.Malformed": (400, "The specified MailAddress name is wrongly formed."),
    "InvalidMailAddress.NotFound": (404, "The specified mailAddress does not exist."),
    "InvalidMailAddressStatus.Malformed": (
        400,
        "The specified mailAddress status is wrongly formed.",
    ),
    "InvalidMailAddressDomain.Malformed": (400, "The specified mailAddress domain does not exist."),
    "InvalidMailAddressSendType.Malformed": (
        400,
        "The specified mailAddress sendType is wrongly formed.",
    ),
    "InvalidAddressType.Malformed": (400, "The specified addressType is wrongly formed."),  # guess
    "InvalidDomain.NotFound": (404, "The specified domain does not exist."),  # guess
    # The mail
    "InvalidToAddress": (400, "The specified toAddress is wrongly formed."),
    "InvalidToAddress.Spam": (400, "Sendmail rejected by invalid address."),
    "InvalidBccAddress.Malformed": (400, "The specified bccAddress is wrongly formed."),  # guess
    "EmailFormatError": (
        400,
        "The Email format is invalid. It must only contain numbers, letters,"
        " underscores, minus sign, plus sign, and period.",
    ),
    "EmailLengthError": (400, "The maximum length of Email is 192 characters."),
    "InvalidBody": (400, "The specified textBody or htmlBody is wrongly formed."),
    "InvalidSubject.Malformed": (400, "The specified subject is wrongly formed."),
    "InvalidFromAlias.Malformed": (400, "The specified fromAlias is wrongly formed."),
    "InvalidReplyAddress.Malformed": (400, "The specified replyAddress is wrongly formed."),
    "InvalidReplyAddressAlias.Malformed": (
        400,
        "The specified replyAddressAlias is wrongly formed.",
    ),
    "InvalidHeaders.Malformed": (400, "The specified headers are wrongly formed."),  # guess
    "InvalidParameter": (400, "The specified parameter is not valid."),
    "InvalidSendMail.Spam": (400, "Sendmail rejected by spam filter."),
    # Tags (guesses, apart from the limit's shape)
    "InvalidTagName.Malformed": (400, "The specified tagName is wrongly formed."),
    "InvalidTagName.Duplicate": (400, "The specified tagName already exists."),
    "InvalidTag.NotFound": (404, "The specified tag does not exist."),
    "InvalidTagNumber.Malformed": (400, "The maximum number of tags is exceeded."),
    # Templates (the last four are guesses)
    "InvalidTemplateName.Malformed": (400, "The specified template name is wrongly formed."),
    "InvalidTemplate.NotFound": (404, "The specified template does not exist."),
    "InvalidTemplateStatus.Malformed": (400, "The specified template status is wrongly formed."),
    "InvalidTemplateName.Duplicate": (400, "The specified template name already exists."),
    "InvalidTemplateText.Malformed": (400, "The specified template text is wrongly formed."),
    "InvalidTemplateNickName.Malformed": (
        400,
        "The specified template nickname is wrongly formed.",
    ),
    "InvalidTemplateNumber.Malformed": (400, "The maximum number of templates is exceeded."),
    # Statistics and lists
    "InvalidDate.Malformed": (400, "The specified date is wrongly formed."),
    "InvalidDate.NotFound": (404, "There is no data for the specified date."),
    "InvalidAddress.NotFound": (404, "The invalid address is not in the invalid address database."),
    "InvalidSuppression.NotFound": (404, "The specified suppression does not exist."),  # guess
}


class ApiError(Exception):
    """A refusal: what the client reads as `Code` and `Message`, with its HTTP status.

    :param code: a key of ``CATALOGUE``, or any other code when ``status`` and ``message`` are given
    :param detail: added to the catalogue's message (for people; clients match on the code)
    :param headers: extra response headers, for example ``x-acs-retry-after`` in milliseconds
    """

    def __init__(self, code, detail="", *, status=None, message=None, headers=None):
        known_status, known_message = CATALOGUE.get(code, (400, code))
        self.code = code
        self.status = status or known_status
        self.message = message or known_message
        if detail:
            self.message = f"{self.message} {detail}"
        self.headers = dict(headers or {})
        super().__init__(f"{self.code}: {self.message}")


def missing_parameter(name, code_pattern):
    """The refusal of a call without a mandatory parameter.

    Pages disagree about the code: ``MissingParameter`` (DirectMail's own table) or ``Missing``
    followed by the parameter's name (the gateway); ``code_pattern`` says which, for example
    ``"Missing{name}"``.
    """
    return ApiError(
        code_pattern.format(name=name), status=400, message=f"{name} is mandatory for this action."
    )


def error_body(code, message, request_id, host):
    """The body of an error, as the gateway writes it."""
    return {
        "RequestId": request_id,
        "HostId": host,
        "Code": code,
        "Message": message or CATALOGUE.get(code, (400, code))[1],
        "Recommend": f"https://api.alibabacloud.com/troubleshoot?q={code}&product=Dm"
        f"&requestId={request_id}",
    }
