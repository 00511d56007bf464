import logging
import re
from pathlib import Path

from odoo.tests import no_retry, tagged
from odoo.tools import file_path

from odoo.addons.web.tests import test_js as web_test_js

from ..common_http import PatientHttpCase

SUITE = "@email_marketing_dm"


@tagged("post_install", "-at_install")
class TestComponents(PatientHttpCase):
    """The tests of ``static/tests``, run in the browser by Odoo's own runner, Hoot."""

    @no_retry
    def test_components(self):
        """As many tests pass as the files contain, so that none is left out without a notice."""
        files = Path(file_path("email_marketing_dm/static/tests")).glob("*.test.js")
        written = sum(len(re.findall(r"^test\(", file.read_text(), re.M)) for file in files)
        self.assertGreater(written, 0)
        with self.assertLogs(self._logger, "INFO") as logs:
            try:
                self._run_suite()
            except self.failureException as error:
                # assertLogs keeps from the log what failed
                lines = [log.getMessage() for log in logs.records if log.levelno >= logging.ERROR]
                raise self.failureException("\n".join(lines)) from error
        passed = re.search(r"Passed (\d+) tests", "\n".join(logs.output))
        self.assertTrue(passed, "Hoot does not say how many tests passed.")
        self.assertEqual(int(passed.group(1)), written)

    def _run_suite(self):
        suite = web_test_js.HOOTCommon._generate_hash(self, SUITE)
        self.browser_js(
            f"/web/tests?headless&loglevel=2&preset=desktop&timeout=120000&id={suite}",
            "",
            "",
            login="admin",
            timeout=600,
            success_signal="[HOOT] Test suite succeeded",
            error_checker=web_test_js.unit_test_error_checker,
        )
