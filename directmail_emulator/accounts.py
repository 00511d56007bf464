"""The accounts: credentials, what they may do, how much they have used."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

from .clock import beijing_day
from .config import AccountConfig, merged
from .errors import ApiError
from .settings import ConfigError, parse_rate


class Account:
    """One account in one region. Nothing is shared between accounts or regions."""

    def __init__(self, number, base, changes, settings, store, clock):
        self.id = number
        self._base = base
        self._changes = changes
        self._server_settings = settings
        self._store = store
        self._clock = clock
        self._day = None
        self._used = 0
        self._windows = {}
        self._throttled = 0
        self._build()

    def _build(self):
        config = copy.deepcopy(self._base)
        config.change(self._changes, f"account {self._base.access_key_id}")
        settings = self._server_settings.with_changes(config.settings)
        self._rates = {
            name: parse_rate(rate) for name, rate in settings.throttle.operations.items()
        }
        self._default_rate = parse_rate(settings.throttle.default)
        self.config, self.settings = config, settings
        self._senders = {sender.address.lower(): sender for sender in config.senders}
        self._domains = {domain.name.lower(): domain for domain in config.domains}

    def use_settings(self, settings):
        """Take over changed settings of the emulator (this account's own still lie over them)."""
        self._server_settings = settings
        self._build()

    def change(self, changes):
        """Change anything in the account and remember it.

        :raises ConfigError: when a name or value can't be; nothing is changed then
        """
        if not isinstance(changes, dict):
            raise ConfigError(f"a table is expected, not {changes!r}")
        fixed = {"access_key_id", "region", "secret"} & set(changes)
        if fixed:
            raise ConfigError(f"{sorted(fixed)[0]} of an account can't be changed")
        before = self._changes
        self._changes = merged(before, changes)
        try:
            self._build()
        except ConfigError:
            self._changes = before
            self._build()
            raise
        self._store.execute(
            "UPDATE account SET changes = ? WHERE id = ?", (json.dumps(self._changes), self.id)
        )

    def sender(self, address):
        return self._senders.get(address.lower())

    def domain(self, name):
        return self._domains.get(name.lower())

    def may(self, action, access_key_id=""):
        """Whether RAM permits an operation, for example ``CreateTag`` by ``dm:Create*``.

        :param access_key_id: of the call; a temporary key may have permissions of its own
        """
        own = next(
            (
                key.permissions
                for key in self.config.temporary_keys
                if key.access_key_id == access_key_id
            ),
            None,
        )
        return any(
            fnmatchcase(f"dm:{action}", pattern) or fnmatchcase(action, pattern)
            for pattern in own or self.config.permissions
        )

    def throttle(self, action, now):
        """Count one call. :raises ApiError: Throttling.User when there were too many"""
        rate = self._rates.get(action, self._default_rate)
        if rate is None:
            return
        calls, seconds = rate
        window = int(now // seconds)
        seen = self._windows.get(action)
        count = seen[1] + 1 if seen and seen[0] == window else 1
        if count > calls:
            raise self._throttled_answer(int(((window + 1) * seconds - now) * 1000) + 1)
        self._windows[action] = (window, count)

    def _throttled_answer(self, milliseconds):
        self._throttled += 1
        header = self.settings.throttle.retry_header
        tell = header == "always" or (header == "alternate" and self._throttled % 2)
        return ApiError(
            "Throttling.User", headers={"x-acs-retry-after": str(milliseconds)} if tell else None
        )

    def used_today(self):
        """Mails accepted on the running day in Beijing."""
        day = beijing_day(self._clock.now())
        if day != self._day:
            self._day = day
            self._used = self._store.value(
                "SELECT coalesce(sum(mails), 0) FROM usage WHERE account = ? AND day = ?",
                (self.id, day),
            )
        return self._used

    def used_today_by(self, sender):
        """Mails accepted today from one sender address."""
        return (
            self._store.value(
                "SELECT mails FROM usage WHERE account = ? AND day = ? AND sender = ?",
                (self.id, beijing_day(self._clock.now()), sender),
            )
            or 0
        )

    def use(self, sender, mails):
        """Count accepted mails; call inside the transaction that writes them to the ledger."""
        self.used_today()
        self._store.execute(
            "INSERT INTO usage (account, day, sender, mails) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET mails = mails + excluded.mails",
            (self.id, self._day, sender, mails),
        )
        self._used += mails

    def describe(self):
        """What the admin API and the page show; secrets are left out."""
        data = asdict(self.config)
        data.pop("secret")
        for key in data["temporary_keys"]:
            key.pop("secret")
            key.pop("token")
        return {**data, "used_today": self.used_today()}


@dataclass(frozen=True)
class Credential:
    """What a request may be signed with: the owner's own key, or a temporary one."""

    owner: str
    secret: str
    token: str = ""
    expires: float = 0.0


class Accounts:
    """All accounts, found by region and AccessKey id."""

    def __init__(self, configs, settings, store, clock):
        self.settings = settings
        self._store = store
        self._clock = clock
        self._accounts = {}
        self._numbers = {}
        self._first = {}
        for config in configs:
            self._add(config)
        for row in store.rows("SELECT * FROM account WHERE added IS NOT NULL ORDER BY id"):
            if (row["region"], row["access_key_id"]) not in self._accounts:
                self._add(AccountConfig.from_dict(json.loads(row["added"])))

    def create(self, data):
        """Add an account that the configuration does not have; it is there after a restart too.

        :param data: as in the configuration; see `AccountConfig`
        :raises ConfigError: when it can't be, or is there already
        """
        config = AccountConfig.from_dict(data, "account")
        if (config.region, config.access_key_id) in self._accounts:
            raise ConfigError(f"{config.access_key_id} is there already in {config.region}")
        account = self._add(config)
        self._store.execute(
            "UPDATE account SET added = ? WHERE id = ?", (json.dumps(data), account.id)
        )
        return account

    def _add(self, config):
        self._store.execute(
            "INSERT OR IGNORE INTO account (region, access_key_id) VALUES (?, ?)",
            (config.region, config.access_key_id),
        )
        row = self._store.row(
            "SELECT id, changes FROM account WHERE region = ? AND access_key_id = ?",
            (config.region, config.access_key_id),
        )
        account = Account(
            row["id"], config, json.loads(row["changes"]), self.settings, self._store, self._clock
        )
        self._accounts[config.region, config.access_key_id] = account
        self._numbers[account.id] = account
        self._first.setdefault(config.access_key_id, account)
        self._make_tags(account)
        return account

    def _make_tags(self, account):
        for name in account.config.tags:
            self._store.execute(
                "INSERT OR IGNORE INTO tag (account, name, description, created_at)"
                " VALUES (?, ?, '', ?)",
                (account.id, name, self._clock.now()),
            )

    def __iter__(self):
        return iter(list(self._accounts.values()))

    def regions(self):
        """Region names in the order in which accounts name them first."""
        return list(dict.fromkeys(region for region, _key in self._accounts))

    def by_id(self, number):
        return self._numbers.get(number)

    def by_key(self, access_key_id, region=None):
        """The account of an AccessKey id (the first one, when no region is given) or None."""
        if region is None:
            return self._first.get(access_key_id)
        return self._accounts.get((region, access_key_id))

    def use_settings(self, settings):
        self.settings = settings
        for account in self:
            account.use_settings(settings)

    def credential(self, access_key_id):
        """:raises ApiError: InvalidAccessKeyId.NotFound"""
        known = self.by_key(access_key_id)
        if known is not None:
            return Credential(access_key_id, known.config.secret)
        for (_region, owner), account in self._accounts.items():
            for key in account.config.temporary_keys:
                if key.access_key_id == access_key_id:
                    return Credential(owner, key.secret, key.token, key.expires)
        raise ApiError("InvalidAccessKeyId.NotFound")

    def in_region(self, owner, region):
        """The owner's account in a region.

        AccessKeys hold in every region, but senders, templates and quotas are regional: where
        nothing is configured the account is there and empty.
        """
        account = self._accounts.get((region, owner))
        if account is None:
            other = self.by_key(owner)
            account = self._add(
                AccountConfig(
                    access_key_id=owner,
                    secret=other.config.secret,
                    region=region,
                    permissions=list(other.config.permissions),
                )
            )
        return account
