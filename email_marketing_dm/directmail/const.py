# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Fixed facts about DirectMail: names, limits, status codes, each with its source.

"SDK" is the package alibabacloud-dm20151123 1.11.1 (model comments); "help" is the provider's
help center.
"""

from datetime import timedelta, timezone

API_VERSION = "2015-11-23"
GET_ACTIONS = frozenset(("GetUser",))  # operations that take no POST (SDK)

# (region code, public endpoint). Sydney is closed to new API calls (help, "API endpoints").
REGIONS = (
    ("cn-hangzhou", "dm.aliyuncs.com"),
    ("ap-southeast-1", "dm.ap-southeast-1.aliyuncs.com"),
    ("us-east-1", "dm.us-east-1.aliyuncs.com"),
    ("eu-central-1", "dm.eu-central-1.aliyuncs.com"),
)

# Endpoints inside a VPC of the region (help, "API endpoints").
VPC_ENDPOINTS = tuple((region, f"dm-vpc.{region}.aliyuncs.com") for region, _host in REGIONS)

# Zone of DirectMail's days (quota, statistics) and of the times in its queries.
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")

# Seconds. A shorter read time-out would make mails with a slow answer unknown.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0

# Limits ---------------------------------------------------------------------------------
# Texts are counted in UTF-16 units, see content/lengths.py.
SENDER_NAME_MAX = 14  # FromAlias of a send: "shorter than 15" (help); the SDK says at most 15
SUBJECT_MAX = 100  # filled subject (help, limits); the SDK says 256
TEMPLATE_NAME_MAX = 30  # unique per account (SDK)
TEMPLATES_MAX = 100  # per account (help, limits)
TEMPLATE_URL_MAX = 80 * 1024  # bytes of a template's text passed in the URL (SDK)
TEMPLATE_BODY_MAX = 1024 * 1024  # bytes of a template's text (help, limits)
VARIABLES_MAX = 50  # per template (help, template FAQ)
ADDRESS_MAX = 192  # one mail address (help, error codes)
HEADERS_MAX = 10  # own headers per mail; DirectMail drops further ones silently (SDK)
RATE_MAX = 100  # SingleSendMail calls a second per account (help, "three mail sending methods")
DETAIL_PAGE = 100  # rows per page of delivery details (SDK)
# Longest window of one query of records. The SDK says 30; one day less, because DirectMail may
# round or count the ends differently.
WINDOW_DAYS = 29
BLOCKED_PAGE = 500  # rows per page of ListBlockSending (SDK)
LIST_PAGE = 50  # rows per page of the management lists; their documented defaults are 10 and 20

# DirectMail's status codes -> words of this addon ---------------------------------------
TEMPLATE_STATUS = {0: "draft", 1: "in_review", 2: "approved", 3: "rejected"}  # SDK, DescTemplate
DETAIL_STATUS = {0: "delivered", 2: "invalid", 3: "spam", 4: "failed"}  # SDK, delivery details

# DescAccountSummary.UserStatus is a set of bits; 0 is a healthy account (SDK).
USER_STATUS_BITS = {1: "frozen", 2: "overdue", 4: "restricted", 8: "deleted"}
DOMAIN_CHECK_STATUS = {0: "verified", 1: "not_verified"}  # SPF, MX, CNAME, ... (SDK)

# UnSubscribeFilterLevel of SingleSendMail (SDK). With UnSubscribeLinkType DirectMail puts its link
# into the header List-Unsubscribe; "default" adds it for batch senders (help, "unsubscribe").
UNSUBSCRIBE_FILTERS = ("mailfrom_domain", "mailfrom", "edm_id", "default", "disabled")

BLOCK_UNSUBSCRIBED = "UNSUB"
BLOCK_REPORTED = "REPORT"

# Variables that DirectMail fills itself (help, template variables). "EMail" is not one of them.
BUILT_IN_VARIABLES = ("EAddr", "UserName", "NickName", "Gender", "Birthday", "Mobile")
