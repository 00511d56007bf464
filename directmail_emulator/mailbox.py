"""The recipients' side: people and machines that load images, follow links, unsubscribe.

Only addresses of this machine are ever fetched. A public address in a mail can be mapped to one
(setting ``outcomes.mailbox_hosts``); anything else is noted and left alone.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

from .events import user_agent
from .mail import header

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST = 20  # links or images of one mail that are followed
_PARALLEL = 8
#: links that a person who likes the mail does not click
_DULL = re.compile(r"unsub|opt.?out|view (online|in (your )?browser)|退订", re.I)


@dataclass
class Plan:
    """What a mail offers to a reader."""

    links: list = field(default_factory=list)
    images: list = field(default_factory=list)
    trackable: bool = False  # DirectMail tracks HTML that has a <body>


class _Reader(HTMLParser):
    """Finds links with their texts, images, and whether there is a <body>."""

    def __init__(self):
        super().__init__()
        self.links, self.images, self.body = {}, {}, False  # address -> text
        self._open_link = None

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.body = self.body or tag == "body"
        url = attributes.get("href" if tag == "a" else "src") or ""
        if not url.startswith(("http://", "https://")):
            url = None
        if tag == "a":
            self._open_link = url
            if url:
                self.links.setdefault(url, "")
        elif tag == "img" and url:
            self.images.setdefault(url, "")

    def handle_endtag(self, tag):
        if tag == "a":
            self._open_link = None

    def handle_data(self, data):
        if self._open_link:
            self.links[self._open_link] += data


class Mailbox:
    """All mailboxes in the world."""

    def __init__(self, core):
        self._core = core
        self._tasks = set()
        self._gate = asyncio.Semaphore(_PARALLEL)

    def plan(self, account, row, action, machine):
        """What this reader will load: people click one link, machines every one."""
        body = self._core.mail.body(row)
        if body is None:
            return Plan()
        reader = _Reader()
        try:
            reader.feed(body[0])
        except AssertionError:
            pass  # how html.parser gives up on some broken markup; what was read counts
        links = list(reader.links)[:_MOST]
        if not machine:
            links = [
                url for url, text in reader.links.items() if not _DULL.search(f"{url} {text}")
            ][:1]
        return Plan(links, list(reader.images)[:_MOST], reader.body)

    @staticmethod
    def one_click(row):
        """The address for one-click unsubscription in a mail's own headers, or None."""
        headers = json.loads(row["headers"])
        found = re.search(r"<(https?://[^>]+)>", header(headers, "List-Unsubscribe"))
        return found[1] if found else None

    @staticmethod
    def local(account, url):
        """The address on this machine behind a URL, or None."""
        for public, here in account.settings.outcomes.mailbox_hosts.items():
            base = public.rstrip("/")
            if url == base or url.startswith((f"{base}/", f"{base}?", f"{base}#")):
                url = here.rstrip("/") + url[len(base) :]
                break
        try:
            host = urlsplit(url).hostname
        except ValueError:
            return None
        return url if host in LOOPBACK else None

    def visit(self, account, number, url, action, machine):
        """Load an address; ``number`` is the activity to note the answer in."""
        self._plan_request(account, number, "GET", url, user_agent(machine, action))

    def unsubscribe(self, account, number, url):
        """One-click unsubscription (RFC 8058): a POST that mailbox providers send."""
        if url:
            self._plan_request(account, number, "POST", url, user_agent(True, "open"))

    def _plan_request(self, account, number, method, url, agent):
        if not account.settings.outcomes.follow_links:
            return
        here = self.local(account, url)
        if here is None:
            self._core.store.execute(
                "UPDATE activity SET note = ? WHERE id = ?",
                ("not followed: not on this machine", number),
            )
            return
        task = asyncio.get_running_loop().create_task(
            self._request(account, number, method, here, url, agent)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, account, number, method, here, url, agent):
        import aiohttp

        headers = {"user-agent": agent}
        if here != url:  # the server should see the public name it is known by
            headers["x-forwarded-host"] = urlsplit(url).netloc
            headers["x-forwarded-proto"] = urlsplit(url).scheme
            headers["host"] = urlsplit(url).netloc
            headers.update(account.settings.outcomes.mailbox_headers)
        data = {"List-Unsubscribe": "One-Click"} if method == "POST" else None
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with self._gate, aiohttp.ClientSession(timeout=timeout) as session:
                # Redirects lead away from this machine, as in a real click; not followed.
                async with session.request(
                    method, here, data=data, headers=headers, allow_redirects=False
                ) as answer:
                    note = f"HTTP {answer.status}"
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            note = f"{type(error).__name__}: {error}"[:200]
        self._core.store.execute("UPDATE activity SET note = ? WHERE id = ?", (note, number))

    async def settle(self):
        """Wait until every running request has an answer."""
        while self._tasks:
            await asyncio.gather(*list(self._tasks), return_exceptions=True)
