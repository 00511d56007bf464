# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Opens the pages that a mail links to, to find out which of them do not answer.

A user types the addresses, so the rules of `outside` apply to each address on the way to a page:
only public addresses, without cookies, log-in or proxy. No content of a page is kept. The result of
a visit is only one of the answers below, so that users can't explore other hosts with it.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator
from urllib.parse import urljoin

from ..content.mail_links import is_own_page, tidy
from ..content.preflight_mail import host_of
from . import outside
from .pool import CallPool

#: answers of `Visitor.visit`, and what they mean
OK = "ok"
MISSING = "missing"  # the site has no such page
BROKEN = "broken"  # the site answers with an error
NAME = "name"  # the name has no public address
CONNECTION = "connection"  # nothing answers
CERTIFICATE = "certificate"  # no secure connection can be made
REFUSED = "refused"  # the site asks for a log-in, or turns machines away
UNCLEAR = "unclear"  # it could not be found out

SECONDS = 10  # for one page, with all redirects
STUCK = 3 * SECONDS  # for one page, with looking up its name
REDIRECTS_MAX = 5
THREADS = 8
# Trackers, Odoo's among them, don't count visits by programs that call themselves bots.
AGENT = "Mozilla/5.0 (compatible; OdooLinkBot/1.0)"
# Statuses with which sites refuse programs, although people see the page: 405 and 406 refuse the
# method or headers of the request; shops send 503, social networks 999.
_REFUSALS = (401, 402, 403, 405, 406, 407, 429, 451, 503, 999)


_Job = tuple[int, "Visitor", str]


class Visitor:
    """Opens pages.

    :param own_hosts: host names of this server
    :param is_allowed: tells whether the server's configuration allows to call a URL's host and
        port even if they are not public
    :param seconds: for one page
    """

    def __init__(
        self,
        own_hosts: Container[str],
        is_allowed: Callable[[str], bool],
        seconds: float = SECONDS,
    ) -> None:
        self._own_hosts = own_hosts
        self._is_allowed = is_allowed
        self._seconds = seconds

    def may_open(self, url: str) -> bool:
        """Tell whether a tidy address may be opened: it has the usual port, or is allowed."""
        return outside.is_usual(url) or self._is_allowed(url)

    def visit(self, url: str) -> str:
        """Open a page and return one of the answers above; follow redirects.

        Pages of this server that are about a recipient are not opened.

        :param url: tidy, see `content.mail_links.tidy`
        """
        deadline = time.monotonic() + self._seconds
        for _redirect in range(REDIRECTS_MAX + 1):
            if is_own_page(url, self._own_hosts):
                return OK
            if not url or not self.may_open(url):
                return UNCLEAR
            answer = self._look(url, deadline)
            if not answer.location:
                return self._judge(url, answer)
            # http.client reads headers as Latin-1, browsers as UTF-8.
            location = answer.location.encode("latin-1", "replace").decode("utf-8", "replace")
            url = tidy(urljoin(url, location))
        return UNCLEAR

    def _look(self, url: str, deadline: float) -> outside.Answer:
        """Ask for the head of a page; for the page itself only where that fails."""
        answer = self._ask("HEAD", url, (deadline - time.monotonic()) / 2)
        is_cut_off = answer.problem == "connection"
        if is_cut_off or (answer.status >= 400 and answer.status != 429):
            return self._ask("GET", url, deadline - time.monotonic())
        return answer

    def _ask(self, method: str, url: str, seconds: float) -> outside.Answer:
        if seconds <= 0:
            return outside.Answer("connection")
        return outside.fetch(
            url, method=method, agent=AGENT, anywhere=self._is_allowed(url), seconds=seconds
        )

    def _judge(self, url: str, answer: outside.Answer) -> str:
        if answer.problem == "inside" and host_of(url) in self._own_hosts:
            return UNCLEAR  # recipients may reach it from outside
        if answer.problem:
            # The same answer for unknown and private names: two would tell which names a private
            # network has.
            return {"name": NAME, "inside": NAME, "certificate": CERTIFICATE}.get(
                answer.problem, CONNECTION
            )
        if answer.status in (404, 410):
            return MISSING
        if answer.status in _REFUSALS:
            return REFUSED
        if answer.status >= 500:
            return BROKEN
        return OK if answer.status < 400 else UNCLEAR


def visit_all(jobs: Iterable[_Job], is_over: Callable[[], bool]) -> Iterator[tuple[int, str]]:
    """Yield (id, answer) of each job as it is done, with one visit to a host at a time.

    A host that can't be reached twice is not tried again: its other pages get the same answer.

    :param jobs: (id, visitor, url) of pages
    :param is_over: once it returns True, no further visit is started
    """
    hosts: dict[str, deque[_Job]] = {}
    for job in jobs:
        hosts.setdefault(host_of(job[2]), deque()).append(job)
    pool: CallPool[str, _Job, str] = CallPool(
        min(THREADS, len(hosts)), lambda job: job[1].visit(job[2])
    )
    waiting, failed = deque(hosts), Counter[str]()
    started: dict[int, float] = {}
    try:
        while started or (waiting and not is_over()):
            while waiting and pool.free and not is_over():
                host = waiting.popleft()
                job = hosts[host].popleft()
                started[job[0]] = time.monotonic()
                pool.submit(host, job, UNCLEAR)
            for host, job, found in pool.drain(1):
                answer = found if isinstance(found, str) else UNCLEAR
                if started.pop(job[0], None):
                    yield job[0], answer
                failed[host] += 1 if answer == CONNECTION else 2 if answer == NAME else 0
                if failed[host] > 1:
                    yield from ((other[0], answer) for other in hosts[host])
                elif hosts[host]:
                    waiting.append(host)
            # Looking up a name has no time-out of ours: its thread ends later.
            for number in [n for n, at in started.items() if time.monotonic() - at > STUCK]:
                del started[number]
                yield number, CONNECTION
    finally:
        pool.close(0)
