"""Makes the addon's packages that import no Odoo importable where there is none.

``import email_marketing_dm.privacy`` would run the addon's ``__init__.py`` first, and that needs
Odoo. Once this file is imported, ``email_marketing_dm`` is a package without content of its own
whose subpackages are found in the addon's folder. So is ``email_marketing_dm.tests``, for the
helpers of its tests that import no Odoo.
"""

import sys
import types
from pathlib import Path

ADDON = Path(__file__).parents[1] / "email_marketing_dm"

#: the subpackages that import neither Odoo nor a package of the addon that does
PACKAGES = ("clock", "content", "directmail", "lists", "privacy", "statistics")

for name, folder in ((ADDON.name, ADDON), (f"{ADDON.name}.tests", ADDON / "tests")):
    if name not in sys.modules:
        package = types.ModuleType(name, __doc__)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
