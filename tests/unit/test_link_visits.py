"""Pages that a mail links to are opened politely, at public addresses only, and within a time."""

import http.server
import socket
import threading
from collections import Counter

import pytest

from email_marketing_dm.content.mail_links import find_targets, is_own_page, tidy
from email_marketing_dm.directmail import link_visits
from email_marketing_dm.directmail.link_visits import Visitor, visit_all


class Site(http.server.BaseHTTPRequestHandler):
    asked, under_way, most, lock = [], 0, 0, threading.Lock()

    def do_HEAD(self):
        with self.lock:
            self.asked.append(f"{self.command} {self.path}")
            type(self).under_way += 1
            type(self).most = max(self.most, self.under_way)
        if self.path.startswith("/lead/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/lead/"))
        elif self.path == "/no-head":
            self.send_response(405 if self.command == "HEAD" else 200)
        elif self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
        else:
            status = self.path.removeprefix("/")
            self.send_response(int(status) if status.isdigit() else 200)
        self.end_headers()
        with self.lock:
            type(self).under_way -= 1

    do_GET = do_HEAD

    def log_message(self, *_args):
        pass


@pytest.fixture
def site():
    Site.asked, Site.most = [], 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visitor(site):
    """A visitor in whose configuration the site is allowed, and nothing else."""
    return Visitor({"shop.example"}, lambda url: url.startswith(site + "/"))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/200", "ok"), ("/no-head", "ok"), ("/404", "missing"), ("/410", "missing"),
        ("/500", "broken"), ("/401", "refused"), ("/403", "refused"), ("/429", "refused"),
        ("/999", "refused"), ("/418", "unclear"), ("/loop", "unclear"),
        ("/lead//404", "missing"), ("/lead/ftp://a.example/", "unclear"),
        # A redirect must not lead into the network, by whatever spelling.
        ("/lead/http://10.0.0.1/", "name"), ("/lead/http://0x7f000001/", "name"),
        ("/lead/http://2130706433/", "name"), ("/lead/http://169.254.169.254/latest", "name"),
        ("/lead/http://127.0.0.1:1/", "unclear"), ("/lead/http://user@a.example/", "unclear"),
    ],
)  # fmt: skip
def test_answers(site, visitor, path, answer):
    assert visitor.visit(site + path) == answer


def test_a_page_is_read_only_where_its_head_says_too_little(site, visitor):
    for path in ("/200", "/404", "/429"):
        visitor.visit(site + path)
    assert Site.asked == ["HEAD /200", "HEAD /404", "GET /404", "HEAD /429"]


def test_a_page_about_a_recipient_is_not_opened_behind_a_redirect(site):
    own = Visitor({"127.0.0.1"}, lambda url: True)
    assert own.visit(f"{site}/lead//directmail/unsubscribe/abc") == "ok"
    assert Site.asked == ["HEAD /lead//directmail/unsubscribe/abc"]


def test_a_name_that_leads_inside_is_not_opened(site, monkeypatch):
    """The address that was checked is the one that is connected to, so DNS can't change it."""
    asked = []

    def look_up(host, port, *_args, **_options):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert Visitor((), lambda url: False).visit("http://rebind.example/") == "name"
    assert asked
    assert Site.asked == []


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["status", "headers"])
def test_a_site_that_drips_is_left(head):
    """The time-out holds for the whole page, not for each byte.

    Headers that are cut off in the middle must not pass for complete ones.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip():
        while not ended.is_set():
            try:
                connected, _address = listener.accept()
            except OSError:
                return
            with connected:
                try:
                    connected.sendall(head)
                    while not ended.wait(0.05):
                        connected.sendall(b"H")
                except OSError:
                    pass

    threading.Thread(target=drip, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    try:
        assert Visitor((), lambda url: True, seconds=1).visit(url) == "connection"
    finally:
        ended.set()
        listener.close()


def test_one_visit_at_a_time_to_a_host(site, visitor):
    jobs = [(n, visitor, f"{site}/{status}") for n, status in enumerate([200, 404] * 10)]
    found = dict(visit_all(jobs, lambda: False))
    assert Counter(found.values()) == {"ok": 10, "missing": 10}
    assert Site.most == 1


def test_a_host_that_does_not_answer_is_asked_twice_only(monkeypatch):
    asked = []
    monkeypatch.setattr(Visitor, "visit", lambda self, url: asked.append(url) or "connection")
    quiet = Visitor((), lambda url: True)
    found = list(visit_all([(n, quiet, f"http://a.example/{n}") for n in range(9)], bool))
    assert [answer for _number, answer in found] == ["connection"] * 9
    assert len(asked) == 2


def test_no_visit_begins_when_the_time_is_over(site, visitor):
    assert list(visit_all([(1, visitor, f"{site}/200")], lambda: True)) == []
    assert Site.asked == []


def test_addresses_are_written_as_they_are_opened():
    assert tidy("http://Bücher.example/ä b?q=ü#part") == (
        "http://xn--bcher-kva.example/%C3%A4%20b?q=%C3%BC"
    )
    for wrong in (
        "ftp://a.example/", "http://", "http://a:b/", "http://u:p@a.example/", r"http://a\@b.c/",
        "http://a.example/" + "x" * link_visits.SECONDS * 1000,
    ):  # fmt: skip
        assert tidy(wrong) == "", wrong


def test_which_links_are_opened():
    body = """<p><a href="https://shop.example/a">Our <b>shop</b></a>
        <a href="https://shop.example/a#below">Again</a> <a href="/b"><img alt="News"></a>
        <a href="https://shop.example/de/mailing/1/view">Own page</a> <a href="tel:1">Call</a>
        <a href="https://other.example/unsubscribe">Leave</a>
        <a href="https://www.example.com/">Example</a></p>"""
    found = find_targets(body, "https://shop.example", {"shop.example"}, bool, lambda code: None)
    assert [(target.url, target.title, target.is_skipped) for target in found] == [
        ("https://shop.example/a", "Our shop", False),
        ("https://shop.example/b", "News", False),
        ("https://other.example/unsubscribe", "Leave", True),
    ]
    assert is_own_page("https://shop.example/r/AbC", {"shop.example"})
    assert not is_own_page("https://shop.example/rose", {"shop.example"})
