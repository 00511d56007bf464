from odoo.tests import HttpCase, common

from .common import PATIENCE


class PatientBrowser(common.ChromeBrowser):
    """Odoo's browser, which waits 3 to 60 seconds for what may take longer on a busy machine."""

    def _json_command(self, command, timeout=PATIENCE):
        return super()._json_command(command, timeout=max(timeout, PATIENCE))

    def _websocket_request(self, method, *, params=None, timeout=PATIENCE):
        return super()._websocket_request(method, params=params, timeout=max(timeout, PATIENCE))

    def _wait_ready(self, ready_code=None, timeout=PATIENCE):
        return super()._wait_ready(ready_code, timeout=max(timeout, PATIENCE))

    def _wait_code_ok(self, code, timeout, error_checker=None):
        return super()._wait_code_ok(code, max(timeout, PATIENCE), error_checker=error_checker)


class PatientHttpCase(HttpCase):
    """Requests and tours whose time-outs decide nothing.

    A step of a tour has its own, see ``static/tests/tours/patience.js``.
    """

    #: of a page's requests, which wait for the test's one transaction, one after the other
    test_cursor_lock_timeout = PATIENCE

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classPatch(common, "ChromeBrowser", PatientBrowser)
        # so often it is looked whether the browser has started; if not, the test is skipped
        iterations = round(PATIENCE / common.CHECK_BROWSER_SLEEP)
        cls.classPatch(common, "CHECK_BROWSER_ITERATIONS", iterations)

    def url_open(self, url, *args, timeout=PATIENCE, **kwargs):
        return super().url_open(url, *args, timeout=timeout, **kwargs)

    def make_jsonrpc_request(self, route, *args, timeout=PATIENCE, **kwargs):
        return super().make_jsonrpc_request(route, *args, timeout=timeout, **kwargs)
