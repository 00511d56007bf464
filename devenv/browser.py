"""Chromium without a window, driven by its DevTools protocol: opens pages and takes pictures."""

import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import requests
import websocket
from PIL import Image

from . import chromium, odoo_source
from .common import LOGS, SetupError

WIDTH, HEIGHT = 1366, 768
#: numbers of keys that write nothing, as Windows counts them
NAMED_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40}
LOG = LOGS / "chromium.log"
#: Odoo asks for the system's own font first. A machine without a desktop has none, and may take
#: digits and spaces from an emoji font; Roboto comes with Odoo.
FONTS = """<?xml version="1.0"?>
<fontconfig>
    <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
    <dir>{folder}</dir>
    <alias binding="strong">
        <family>system-ui</family>
        <prefer><family>Roboto</family><family>DejaVu Sans</family></prefer>
    </alias>
</fontconfig>
"""
#: seconds that a page may take on a cold server and a busy machine
PAGE_SECONDS = 90
#: seconds without any change before a page counts as finished
QUIET_SECONDS = 0.8
#: body of a function that tells whether a page is loaded, with fonts and pictures, and at rest;
#: it returns the page's length, so that two calls show whether anything still changes
FINISHED = """
    const wanted = %s;
    const busy = document.querySelector(".o_loading_indicator, .o_blockUI");
    const missing = (image) => !image.complete && image.loading !== "lazy";
    const loaded = document.readyState === "complete" && document.fonts.status === "loaded";
    if (busy || !loaded || [...document.images].some(missing) || !wanted()) return 0;
    return document.body.innerHTML.length;
"""


class Browser:
    """One tab. Use it as a context manager; the browser ends with it.

    :ivar list errors: what the pages wrote to the console's error log, exceptions included
    :raise SetupError: from every method, when the page does not come to what was asked for
    """

    def __enter__(self):
        program = chromium.executable()
        if not program:
            raise SetupError("chromium is missing; make setup installs it")
        self._profile = tempfile.mkdtemp(prefix="devenv-chromium-")
        LOGS.mkdir(parents=True, exist_ok=True)
        fonts = Path(self._profile) / "fonts.conf"
        fonts.write_text(FONTS.format(folder=odoo_source.HOME / "usr/share/fonts"))
        with LOG.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    "--disable-background-networking",
                    "--no-proxy-server",
                    "--no-first-run",
                    "--disable-dev-shm-usage",
                    f"--window-size={WIDTH},{HEIGHT}",
                    "--lang=en-US",
                    "--remote-debugging-port=0",
                    f"--user-data-dir={self._profile}",
                    "about:blank",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "FONTCONFIG_FILE": str(fonts)},
            )
        try:
            self._connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_details):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _connect(self):
        port_file = Path(self._profile) / "DevToolsActivePort"
        wait_until(lambda: port_file.exists() and "\n" in port_file.read_text(), 30, "chromium")
        port = port_file.read_text().split()[0]
        session = requests.Session()
        session.trust_env = False  # local calls go through no proxy
        [tab] = [
            tab
            for tab in session.get(f"http://127.0.0.1:{port}/json/list", timeout=10).json()
            if tab["type"] == "page"
        ]
        self._socket = websocket.create_connection(
            tab["webSocketDebuggerUrl"], suppress_origin=True, timeout=PAGE_SECONDS
        )
        self._number = 0
        self.errors = []
        self._send("Runtime.enable")
        self._send("Log.enable")
        self.resize(WIDTH, HEIGHT)

    def resize(self, width, height):
        """Make the page this many pixels wide and high, as a window or a phone of that size."""
        self._send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def set_zone(self, zone):
        """Show times as in a time zone, such as "Asia/Singapore"."""
        self._send("Emulation.setTimezoneOverride", timezoneId=zone)

    def _send(self, method, **parameters):
        """Send a command and return its result; of the events in between, errors are kept."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise SetupError(f"chromium: {method}: {answer['error']['message']}")
                return answer["result"]
            if error := read_error(answer.get("method"), answer.get("params", {})):
                self.errors.append(error)

    def run(self, body):
        """Run the body of a JavaScript function in the page and return what it returns."""
        answer = self._send(
            "Runtime.evaluate",
            expression=f"(async () => {{ {body} }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            said = answer["exceptionDetails"].get("exception", {}).get("description", "an error")
            raise SetupError(f"the page said: {said.splitlines()[0]}")
        return answer["result"].get("value")

    def open(self, url, wanted):
        """Go to an address and wait until the page is finished.

        :param str wanted: a CSS selector, or the JavaScript function that tells when it is there
        """
        self._send("Page.navigate", url=url)
        self.wait(wanted)

    def click(self, selector, wanted):
        """Click on what a selector finds first, then wait as `open` does."""
        self.run(f"document.querySelector({json.dumps(selector)}).click();")
        self.wait(wanted)

    def wait(self, wanted):
        """Wait until something is there and the page has come to rest."""
        if "=>" not in wanted:
            wanted = f"() => !!document.querySelector({json.dumps(wanted)})"
        seen = {"since": 0.0, "length": 0}

        def finished():
            length = 0
            with contextlib.suppress(SetupError):  # the page is just being replaced by the next one
                length = self.run(FINISHED % wanted)
            if length != seen["length"]:
                seen.update(since=time.monotonic(), length=length)
            return bool(length) and time.monotonic() - seen["since"] > QUIET_SECONDS

        wait_until(finished, PAGE_SECONDS, f"{wanted} on {self.run('return location.href;')}")

    def log_in(self, url, login, password):
        """Log in to Odoo by its own form, whoever was logged in before."""
        self.open(f"{url}/web/session/logout?redirect=/web/login", "form.oe_login_form")
        self.run(
            f"""document.querySelector("input[name=login]").value = {json.dumps(login)};
                document.querySelector("input[name=password]").value = {json.dumps(password)};
                document.querySelector("form.oe_login_form").submit();"""
        )
        self.wait(".o_main_navbar")

    def drag(self, start, end):
        """Press the mouse at one point (x, y) of the page, move to another and let it go."""
        self.hold(*start)
        for part in range(1, 11):
            self._move_mouse("mouseMoved", *between(start, end, part / 10), buttons=1)
        self.release(*end)

    def hold(self, x, y):
        """Move the mouse to a point of the page and press its left button."""
        self._move_mouse("mouseMoved", x, y, buttons=0)
        self._move_mouse("mousePressed", x, y, buttons=1)

    def release(self, x, y):
        """Let go of the button that `hold` has pressed."""
        self._move_mouse("mouseReleased", x, y, buttons=0)

    def _move_mouse(self, kind, x, y, buttons):
        button = "none" if kind == "mouseMoved" and not buttons else "left"
        self._send(
            "Input.dispatchMouseEvent",
            type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=1,
        )  # fmt: skip

    def point_and_click(self, selector, frame=None):
        """Move the mouse to the middle of what a selector finds first, and click.

        :param frame: the selector of an iframe of the same site that it is in
        """
        x, y = self.run(
            f"""const frame = document.querySelector({json.dumps(frame or "nothing")});
                const page = frame ? frame.contentDocument : document;
                const element = page.querySelector({json.dumps(selector)});
                element.scrollIntoView({{block: "center"}});
                await new Promise((resolve) => setTimeout(resolve, 300));
                const {{x, y, width, height}} = element.getBoundingClientRect();
                const around = frame ? frame.getBoundingClientRect() : {{x: 0, y: 0}};
                return [x + width / 2 + around.x, y + height / 2 + around.y];"""
        )
        self.drag((x, y), (x, y))

    def set_touch(self, is_on=True):
        """Let pages that are opened from now on see a screen for fingers, as a phone has."""
        self._send("Emulation.setTouchEmulationEnabled", enabled=is_on)

    def tap(self, selector):
        """Touch the middle of what a selector finds first with a finger, shortly."""
        x, y = self.run(
            f"""const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{block: "center"}});
                await new Promise((resolve) => setTimeout(resolve, 300));
                const {{x, y, width, height}} = element.getBoundingClientRect();
                return [x + width / 2, y + height / 2];"""
        )
        self._send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self._send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key, alt=False):
        """Press a key, as a keyboard does: a letter, or a name such as "Tab" or "ArrowDown"."""
        letter = len(key) == 1
        code = NAMED_KEYS.get(key) or ord(key.upper())
        key_event = {
            "key": key,
            "code": f"Key{key.upper()}" if letter and key.isalpha() else key,
            "windowsVirtualKeyCode": code,
            "modifiers": 1 if alt else 0,
        }
        text = {"Enter": "\r"}.get(key, key if letter else "")
        pressed = {"type": "keyDown", "text": text} if text and not alt else {"type": "rawKeyDown"}
        self._send("Input.dispatchKeyEvent", **key_event, **pressed)
        self._send("Input.dispatchKeyEvent", **key_event, type="keyUp")

    def type(self, text):
        """Type a text into what has the focus, key by key."""
        for letter in text:
            self.press(letter)

    def capture(self):
        """Return what is seen as an image, every pixel as it is."""
        data = base64.b64decode(self._send("Page.captureScreenshot", format="png")["data"])
        return Image.open(io.BytesIO(data)).convert("RGB")

    def picture(self, path):
        """Write what is seen to a PNG of 256 colours: a third of the size, no worse to look at."""
        image = self.capture()
        image = image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        image.save(beside, "PNG", optimize=True)
        beside.replace(path)


def read_error(method, params):
    """Return what an event says if it is an error of the page's, else None."""
    if method == "Runtime.exceptionThrown":
        details = params["exceptionDetails"]
        return details.get("exception", {}).get("description") or details["text"]
    if method == "Runtime.consoleAPICalled":
        values = (said.get("value") or said.get("description", "") for said in params["args"])
        text = " ".join(map(str, values))
        # Odoo shows a plain text field instead of a widget that it does not know.
        if params["type"] in ("error", "assert") or text.startswith("Missing widget"):
            return text
    if method == "Log.entryAdded" and params["entry"]["level"] == "error":
        entry = params["entry"]
        return f"{entry['text']} {entry.get('url', '')}".strip()
    return None


def between(start, end, part):
    """Return the point that lies so far between two points."""
    return tuple(one + (other - one) * part for one, other in zip(start, end, strict=True))


def wait_until(condition, seconds, what):
    """Ask again and again. :raise SetupError: if it did not become true in time"""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.2)
    raise SetupError(f"waited {seconds} s in vain for {what}")
