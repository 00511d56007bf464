"""Carrying out faults on a call."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct

from aiohttp import web

from .errors import CATALOGUE, error_body

_HTML = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>"
    "{status} {reason}</h1></center>\r\n<hr><center>Tengine</center>\r\n</body>\r\n"
    "</html>\r\n"
)
_REASONS = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}
#: written as Infinity, which Python's JSON reads
_HUGE = float("inf")
#: kind -> the error that it answers with
_ERRORS = {
    "error": "InternalError",
    "unavailable": "ServiceUnavailable",
    "throttle": "Throttling.User",
    "expired_token": "InvalidSecurityToken.Expired",
    "clock_skew": "InvalidTimeStamp.Expired",
}


class Misbehaviour:
    """One method per kind of fault; see ``faults.KINDS``."""

    def __init__(self, core):
        self._core = core

    async def strike(self, fault, request, received, response):
        """Answer a call wrongly.

        :param response: the right answer, when the call was carried out, or None; faults that
            need an answer to spoil then spoil a ServiceUnavailable
        """
        if not fault.accepts:
            self._core.count_call(
                received.action,
                received.access_key_id,
                f"fault: {fault.kind}",
                self._core.clock.now(),
            )
        if fault.kind in _ERRORS:
            return self._error(fault, request, received)
        if response is None:
            response = self._answer("ServiceUnavailable", request, received)
        handler = getattr(self, f"_{fault.kind}")
        return await handler(fault, request, response)

    def _error(self, fault, request, received):
        code = fault.code or _ERRORS[fault.kind]
        headers = {"x-acs-retry-after": str(fault.retry_after)} if fault.retry_after else {}
        return self._answer(code, request, received, fault.message, fault.status, headers)

    @staticmethod
    def _answer(code, request, received, message="", status=0, headers=None):
        body = error_body(code, message, received.request_id, request.host)
        return web.json_response(
            body,
            status=status or CATALOGUE.get(code, (500, ""))[0],
            headers={"x-acs-request-id": received.request_id, **(headers or {})},
        )

    async def _hang(self, fault, request, response):
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.05)
        return web.Response()

    async def _close(self, fault, request, response):
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    async def _reset(self, fault, request, response):
        reset(request.transport)
        return web.Response()

    _idle_reset = _reset

    async def _truncated(self, fault, request, response):
        body = response.body
        half = web.StreamResponse(
            status=response.status,
            headers={
                "Content-Type": "application/json;charset=utf-8",
                "Content-Length": str(len(body)),
            },
        )
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return half

    async def _slow(self, fault, request, response):
        await asyncio.sleep(fault.delay)
        return response

    async def _trickle(self, fault, request, response):
        body = response.body
        drops = web.StreamResponse(
            status=response.status,
            headers={
                "Content-Type": "application/json;charset=utf-8",
                "Content-Length": str(len(body)),
            },
        )
        await drops.prepare(request)
        for position in range(len(body)):
            await asyncio.sleep(fault.delay)
            await drops.write(body[position : position + 1])
        return drops

    async def _html(self, fault, request, response):
        status = fault.status or 502
        text = _HTML.format(status=status, reason=_REASONS.get(status, "Error"))
        return web.Response(status=status, text=text, content_type="text/html")

    async def _empty(self, fault, request, response):
        return _json(b"")

    async def _no_env_id(self, fault, request, response):
        body = json.loads(response.body)
        return _json(json.dumps({"RequestId": body["RequestId"]}).encode())

    async def _blank(self, fault, request, response):
        return _json(b"{}")

    async def _list(self, fault, request, response):
        return _json(b"[]")

    async def _code_in_200(self, fault, request, response):
        code = fault.code or "InternalError"
        return _json(
            json.dumps({"RequestId": "0", "Code": code, "Message": fault.message or code}).encode()
        )

    async def _odd_rows(self, fault, request, response):
        return _spoil(response, lambda value: ["odd"] if isinstance(value, list) else value)

    async def _odd_data(self, fault, request, response):
        return _spoil(response, lambda value: "odd" if isinstance(value, (dict, list)) else value)

    async def _odd_values(self, fault, request, response):
        return _spoil(response, lambda value: value if isinstance(value, (dict, list)) else ["odd"])

    async def _odd_numbers(self, fault, request, response):
        return _spoil(response, lambda value: value if isinstance(value, (dict, list)) else _HUGE)

    async def _die(self, fault, request, response):
        os.kill(os.getpid(), signal.SIGKILL)


def _spoil(response, change):
    """Answer what ``change`` makes of each value of a right answer; RequestId stays."""

    def spoil(value):
        changed = change(value)
        if isinstance(changed, dict):
            return {
                name: inner if name == "RequestId" else spoil(inner)
                for name, inner in changed.items()
            }
        return (
            [spoil(inner) for inner in changed]
            if changed is value and isinstance(changed, list)
            else changed
        )

    body = json.loads(response.body)
    return _json(
        json.dumps(
            {name: value if name == "RequestId" else spoil(value) for name, value in body.items()}
        ).encode()
    )


def _json(body):
    return web.Response(body=body, headers={"Content-Type": "application/json;charset=utf-8"})


def reset(transport):
    """Close a connection with a TCP reset."""
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # "Linger for no time" makes the kernel send RST and drop what is still unsent.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
