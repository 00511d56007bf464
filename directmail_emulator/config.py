"""The TOML file and what it becomes: settings, accounts, fault rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from .settings import ConfigError, Settings, lay_over

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

DEFAULT_ACCOUNT = {
    "access_key_id": "LTAIEMULATOR",
    "secret": "emulator-secret",
    "region": "ap-southeast-1",
    "daily_quota": 200000,
    "senders": [
        {"address": "news@mail.example.com", "type": "batch"},
        {"address": "service@mail.example.com", "type": "trigger"},
        {"address": "frozen@mail.example.com", "type": "batch", "frozen": True},
    ],
    "domains": [{"name": "mail.example.com"}],
}


@dataclass
class Sender:
    """A sender address, as the console shows it."""

    address: str = ""
    type: str = "batch"  # or "trigger"
    frozen: bool = False
    reply_address: str = ""
    reply_verified: bool = True
    daily_count: int = 0  # 0: the account's quota


@dataclass
class Domain:
    """A sender domain and the state of its DNS records (true: verified)."""

    name: str = ""
    verified: bool = True
    spf: bool = True
    mx: bool = True
    dkim: bool = True
    dmarc: bool = True
    cname: bool = True
    icp: bool = False

    @property
    def healthy(self):
        """Whether mail may be sent: ownership, SPF and MX are what DirectMail insists on."""
        return self.verified and self.spf and self.mx


@dataclass
class TemporaryKey:
    """Another key of an account: STS credentials, or without ``token`` a second AccessKey.

    ``expires`` is in epoch seconds, 0 for never. ``permissions`` are the key's own; without them it
    may do what the account's key may.
    """

    access_key_id: str = ""
    secret: str = ""
    token: str = ""
    expires: float = 0.0
    permissions: list[str] = field(default_factory=list)


@dataclass
class Webhook:
    """Where EventBridge pushes the account's events, and the token it sends along."""

    url: str = ""
    token: str = ""


@dataclass
class AccountConfig:
    access_key_id: str = ""
    secret: str = ""
    region: str = "ap-southeast-1"
    active: bool = True
    daily_quota: int = 2000
    month_quota: int = 0  # 0: thirty times the daily quota
    free_quota: int = 0
    quota_level: int = 2
    max_quota_level: int = 10
    user_status: int = 0  # bits: 1 frozen, 2 overdue, 4 sending restricted, 8 deleted
    ip_channel_type: str = "normal"
    permissions: list[str] = field(default_factory=lambda: ["dm:*"])
    allow_ips: list[str] = field(default_factory=list)  # empty: any
    enable_eventbridge: bool = False
    suppression_level: str = "ACCOUNT"
    tags: list[str] = field(default_factory=list)  # made at the first start
    senders: list[Sender] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    temporary_keys: list[TemporaryKey] = field(default_factory=list)
    webhook: Webhook = field(default_factory=Webhook)
    settings: dict = field(default_factory=dict)  # laid over the emulator's settings

    LISTS = {"senders": Sender, "domains": Domain, "temporary_keys": TemporaryKey}

    @classmethod
    def from_dict(cls, data, path="accounts"):
        """:raises ConfigError: naming the entry that is unknown, missing or of a wrong type"""
        account = cls()
        account.change(data, path)
        if not account.access_key_id or not account.secret:
            raise ConfigError(f"{path}: access_key_id and secret are needed")
        return account

    def change(self, data, path):
        """Lay a dictionary over this account; lists are replaced, not merged."""
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: a table is expected, not {data!r}")
        plain = dict(data)
        for name, kind in self.LISTS.items():
            if name in plain:
                setattr(self, name, _items(kind, plain.pop(name), f"{path}.{name}"))
        if "settings" in plain:
            self.settings = merged(self.settings, plain.pop("settings"))
            Settings().with_changes(self.settings)  # only to check it
        lay_over(self, plain, path)


def merged(base, changes):
    """Nested dictionaries laid over each other, without changing either."""
    result = dict(base)
    for name, value in changes.items():
        inner = result.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        result[name] = merged(inner, value) if both else value
    return result


def _items(kind, values, path):
    if not isinstance(values, list):
        raise ConfigError(f"{path}: a list is expected, not {values!r}")
    items = []
    for position, value in enumerate(values):
        item = kind()
        lay_over(item, value, f"{path}[{position}]")
        items.append(item)
    return items


@dataclass
class Config:
    settings: Settings = field(default_factory=Settings)
    accounts: list[AccountConfig] = field(default_factory=list)
    faults: list[dict] = field(default_factory=list)

    @classmethod
    def from_dict(cls, data):
        """Build from what a TOML file holds; without accounts there is the default one.

        :raises ConfigError: naming the entry that can't be used
        """
        data = dict(data)
        accounts = data.pop("accounts", None) or [DEFAULT_ACCOUNT]
        faults = data.pop("faults", [])
        if not isinstance(accounts, list) or not isinstance(faults, list):
            raise ConfigError("accounts and faults are lists: write [[accounts]], [[faults]]")
        config = cls(
            settings=Settings().with_changes(data),
            accounts=[
                AccountConfig.from_dict(account, f"accounts[{position}]")
                for position, account in enumerate(accounts)
            ],
            faults=faults,
        )
        seen = set()
        for account in config.accounts:
            key = (account.region, account.access_key_id)
            if key in seen:
                raise ConfigError(
                    f"accounts: {account.access_key_id} is there twice in {account.region}"
                )
            seen.add(key)
        return config

    @classmethod
    def load(cls, path):
        """Read a TOML file. :raises ConfigError: when it can't be read or used"""
        try:
            with open(path, "rb") as stream:
                data = tomllib.load(stream)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: {error}") from None
        return cls.from_dict(data)
