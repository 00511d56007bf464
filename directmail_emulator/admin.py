"""The admin API, for tests and the page. JSON over HTTP; see README.md."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from . import __version__
from .faults import KINDS, Fault
from .inbox import Inbox
from .operations.templates import PENDING
from .outcomes import BEHAVIOURS, PATTERNS
from .settings import ConfigError

STATIC = Path(__file__).parent / "static"
routes = web.RouteTableDef()

SERVER = web.AppKey("server", object)
INBOX = web.AppKey("inbox", Inbox)


def make_admin(server):
    app = web.Application(middlewares=[plain_errors], client_max_size=8 * 1024 * 1024)
    app[SERVER] = server
    app[INBOX] = Inbox(server.core)
    app.add_routes(routes)
    return app


@web.middleware
async def plain_errors(request, handler):
    """Errors as JSON, and no calls from other web sites' pages, whatever name they give us."""
    if urlsplit(f"//{request.host}").hostname not in ("127.0.0.1", "localhost"):
        return _error(403, "Use this page as 127.0.0.1 or localhost.")
    origin = request.headers.get("Origin")
    if origin and request.method != "GET" and origin != f"http://{request.host}":
        return _error(403, "Calls from other web sites are refused.")
    try:
        return await handler(request)
    except ConfigError as error:
        return _error(400, str(error))
    except web.HTTPException as error:
        return _error(error.status, error.reason) if error.status >= 400 else error


def _error(status, text):
    return web.json_response({"error": text}, status=status)


def _core(request):
    return request.app[SERVER].core


def _number(request, name, default, largest):
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ConfigError(f"{name} is not a number")
    return min(int(text), largest)


async def _body(request):
    try:
        data = await request.json() if request.can_read_body else {}
    except (ValueError, UnicodeDecodeError):
        raise ConfigError("the body is not JSON") from None
    if not isinstance(data, dict):
        raise ConfigError("the body is not an object")
    return data


def _account(request, key, region=None):
    account = _core(request).accounts.by_key(key, region or request.query.get("region"))
    if account is None:
        raise web.HTTPNotFound(reason=f"There is no account {key}")
    return account


def _filters(request):
    """Filters of ledger and inbox from the query: account, tag, to, env_id, request text."""
    chosen = {
        name: request.query[name]
        for name in ("tag", "to", "env_id", "sender", "search")
        if request.query.get(name)
    }
    if request.query.get("account"):
        chosen["account"] = _account(request, request.query["account"]).id
    return chosen


@routes.get("/api/status")
async def status(request):
    server = request.app[SERVER]
    core = server.core
    return web.json_response(
        {
            **server.describe(),
            "version": __version__,
            "now": core.clock.now(),
            "clock_offset": core.clock.offset,
            "internal_errors": core.internal_errors,
            "pending": core.store.value("SELECT count(*) FROM step"),
            "accounts": [account.describe() for account in core.accounts],
            "kinds_of_fault": {name: text for name, (_accepts, text) in KINDS.items()},
            "behaviours": list(BEHAVIOURS),
            "patterns": PATTERNS,
        }
    )


@routes.get("/api/ledger")
async def ledger(request):
    inbox = request.app[INBOX]
    rows, total = await inbox.ledger(
        _filters(request),
        _number(request, "limit", 100, 10000),
        _number(request, "offset", 0, 10**15),
        newest=request.query.get("order") == "newest",
    )
    return web.json_response({"total": total, "rows": rows})


@routes.get("/api/ledger/summary")
async def summary(request):
    return web.json_response(await request.app[INBOX].summary(_filters(request)))


@routes.get("/api/calls")
async def calls(request):
    core = _core(request)
    return web.json_response(
        {
            "counts": [
                {"action": action, "answer": answer, "calls": number}
                for (action, answer), number in sorted(core.call_counts.items())
            ],
            "newest": list(core.calls)[-_number(request, "limit", 100, 500) :],
        }
    )


@routes.get("/api/templates")
async def templates(request):
    core = _core(request)
    rows = core.store.rows("SELECT * FROM template ORDER BY id DESC")
    texts = request.query.get("text") != "0"
    return web.json_response(
        {
            "waiting": sum(row["status"] == PENDING for row in rows),
            "rows": [_template(core, row, texts) for row in rows],
        }
    )


def _find_template(request):
    row = _core(request).store.row(
        "SELECT * FROM template WHERE id = ?", (int(request.match_info["id"]),)
    )
    if row is None:
        raise web.HTTPNotFound(reason="There is no such template")
    return row


@routes.get("/api/templates/{id:[0-9]{1,15}}")
async def template(request):
    return web.json_response(_template(_core(request), _find_template(request)))


def _template(core, row, text=True):
    account = core.accounts.by_id(row["account"])
    return {
        **({"text": row["text"]} if text else {}),
        "id": row["id"],
        "account": account.config.access_key_id if account else "",
        "region": account.config.region if account else "",
        "name": row["name"],
        "nickname": row["nickname"],
        "subject": row["subject"],
        "status": row["status"],
        "comment": row["comment"],
        "created_at": row["created_at"],
        "changed_at": row["changed_at"],
        "review_due": row["review_due"],
    }


@routes.post("/api/templates/{id:[0-9]{1,15}}/{decision:approve|reject}")
async def decide(request):
    comment = (await _body(request)).get("comment", "")
    if not isinstance(comment, str):
        raise ConfigError("comment is not a text")
    number = _find_template(request)["id"]
    approved = request.match_info["decision"] == "approve"
    _core(request).timeline.decide(number, approved, comment)
    return web.json_response(_template(_core(request), _find_template(request)))


@routes.get("/api/faults")
async def faults(request):
    return web.json_response({"rows": [rule.describe() for rule in _core(request).faults.rules]})


@routes.post("/api/faults")
async def add_fault(request):
    fault = _core(request).faults.add(Fault.from_dict(await _body(request)))
    request.app[SERVER].apply_listener_fault(fault)
    return web.json_response(fault.describe())


@routes.delete("/api/faults")
@routes.delete("/api/faults/{id:[0-9]+}")
async def clear_faults(request):
    number = request.match_info.get("id")
    cleared = _core(request).faults.clear(int(number) if number else None)
    await request.app[SERVER].reopen()
    return web.json_response({"cleared": cleared})


@routes.get("/api/clock")
async def clock(request):
    core = _core(request)
    return web.json_response(
        {"now": core.clock.now(), "offset": core.clock.offset, "skew": core.clock.gateway_skew}
    )


@routes.post("/api/clock")
async def turn_clock(request):
    data, core = await _body(request), _core(request)
    for name in data:
        if name not in ("advance", "skew"):
            raise ConfigError(f"{name}: unknown; known here: advance, skew")
        if isinstance(data[name], bool) or not isinstance(data[name], (int, float)):
            raise ConfigError(f"{name} is not a number of seconds")
    if data.get("advance", 0) < 0:
        raise ConfigError("advance: the clock only goes forward")
    if "skew" in data:
        core.clock.gateway_skew = data["skew"]
    core.advance_clock(data.get("advance", 0))
    return await clock(request)


@routes.post("/api/outcomes/flush")
async def flush(request):
    core = _core(request)
    steps = await core.timeline.flush()
    await core.mailbox.settle()
    await core.pusher.settle()
    return web.json_response({"steps": steps})


@routes.get("/api/settings")
async def settings(request):
    return web.json_response(asdict(_core(request).settings))


@routes.post("/api/settings")
async def change_settings(request):
    _core(request).change_settings(await _body(request))
    return web.json_response(asdict(_core(request).settings))


@routes.post("/api/accounts")
async def create_account(request):
    server, data = request.app[SERVER], await _body(request)
    region = data.setdefault("region", next(iter(server.listeners)))
    if region not in server.listeners:
        raise ConfigError(
            f"region: there is no endpoint for {region!r}; regions come from the"
            f" configuration: {', '.join(server.listeners)}"
        )
    return web.json_response(server.core.accounts.create(data).describe())


@routes.get("/api/accounts/{id}")
async def account(request):
    return web.json_response(_account(request, request.match_info["id"]).describe())


@routes.post("/api/accounts/{id}")
async def change_account(request):
    changes = await _body(request)
    one = _account(request, request.match_info["id"])
    one.change(changes)
    _core(request).pusher.wake()
    return web.json_response(one.describe())


@routes.get("/api/inbox")
async def inbox(request):
    rows = await request.app[INBOX].page(
        _filters(request),
        _number(request, "limit", 50, 500),
        _number(request, "offset", 0, 10**15),
        newest=True,
    )
    return web.json_response({"rows": rows})


def _mail(request):
    rows = request.app[INBOX].of_call(request.match_info["env_id"], request.query.get("to"))
    if not rows:
        raise web.HTTPNotFound(reason="There is no such mail")
    return rows


@routes.get("/api/inbox/{env_id}")
async def mail(request):
    return web.json_response(request.app[INBOX].full(_mail(request)[0]))


@routes.get("/api/inbox/{env_id}/body")
async def mail_body(request):
    """The HTML alone, for a sandboxed frame. `images=1` loads images from this machine, which
    may count as an open; public addresses in `mailbox_hosts` lead to this machine."""
    row = _mail(request)[0]
    full = request.app[INBOX].full(row)
    account = _core(request).accounts.by_id(row["account"])
    hosts = account.settings.outcomes.mailbox_hosts if account else {}
    html = full["html"]
    for public, here in hosts.items():
        base = re.escape(public.rstrip("/"))
        html = re.sub(rf"{base}(?![\w.-])", lambda _found, to=here: to.rstrip("/"), html)
    return _framed(html or f"<pre>{escape(full['text'])}</pre>", bool(request.query.get("images")))


@routes.get("/api/templates/{id:[0-9]{1,15}}/body")
async def template_body(request):
    return _framed(_find_template(request)["text"], False)


def _framed(html, images):
    """A document in which nothing runs and nothing is loaded from elsewhere."""
    sources = "data: http://127.0.0.1:* http://localhost:*" if images else "data:"
    return web.Response(
        text=html,
        content_type="text/html",
        headers={
            "Content-Security-Policy": "sandbox allow-popups; default-src 'none';"
            f" style-src 'unsafe-inline'; img-src {sources}; font-src data:"
        },
    )


REACTIONS = (
    "open",
    "click",
    "machine_open",
    "machine_click",
    "unsubscribe",
    "subscribe",
    "complain",
)


@routes.post("/api/inbox/{env_id}/{reaction}")
async def react(request):
    """Let the recipient do something now. For unsubscribe, `via` may say how."""
    reaction, core = request.match_info["reaction"], _core(request)
    via = (await _body(request)).get("via")
    if reaction not in REACTIONS:
        raise web.HTTPNotFound(reason=f"There is no reaction {reaction}")
    if via not in (None, "link", "directmail", "both", "auto"):
        raise ConfigError("via is one of link, directmail, both, auto")
    rows = _mail(request)
    with core.store.transaction():
        for row in rows:
            account = core.accounts.by_id(row["account"])
            core.timeline.happen(account, row, reaction, core.clock.now(), via)
    core.pusher.wake()
    await core.mailbox.settle()
    return web.json_response(request.app[INBOX].full(rows[0]))


@routes.get("/api/events")
async def events(request):
    core = _core(request)
    conditions, values = ["1"], []
    for name in ("state", "type", "env_id"):
        if request.query.get(name):
            conditions.append(f"{name} = ?")
            values.append(request.query[name])
    rows = core.store.rows(
        f"SELECT * FROM event WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",
        (*values, _number(request, "limit", 100, 1000)),
    )
    return web.json_response(
        {"rows": [{**dict(row), "body": json.loads(row["body"])} for row in rows]}
    )


@routes.get("/eventbridge/certificate.pem")
async def certificate(request):
    core = _core(request)
    content, encoding = (
        request.query.get(name, getattr(core.settings.events, f"certificate_{name}"))
        for name in ("content", "encoding")
    )
    return web.Response(
        body=core.signer.served(content, encoding), content_type="application/octet-stream"
    )


@routes.get("/")
async def page(request):
    return web.FileResponse(STATIC / "page.html")


@routes.get("/static/{name:[a-z]+\\.(?:css|js)}")
async def static(request):
    path = STATIC / request.match_info["name"]
    if not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path)
