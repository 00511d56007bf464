"""Odoo's mail builder in a browser: what it makes of a theme or of a design."""

import json

from devenv.browser import wait_until
from tests.server.common.shop import PASSWORD

ACTION = "email_marketing_dm.directmail_template_action"
FIELD = """
    const find = (node) => {
        if (node.component.themeService && node.component.iframeRef) return node.component;
        return Object.values(node.children).map(find).find(Boolean);
    };
    const field = find(odoo.__WOWL_DEBUG__.root.__owl__);
    const { record } = field.props;
"""
THEMES = f"{FIELD} return [...field.themeService.getThemes().keys()];"
#: what a click on a theme does, without leaving the page in between
CHOOSE = """
    const html = %s || field.themeService.getThemes().get(%s).html;
    await record.update({ body_arch: html, body_html: "" });
"""
#: the language in which the server writes the page and its themes
LANGUAGE = """return odoo.loader.modules.get("@web/core/user").user.context.lang;"""
INLINED = f"{FIELD} return String(record.data.body_html || '');"
ARCH = f"{FIELD} return String(record.data.body_arch || '');"


class Builder:
    """The builder in the form of a new template.

    :param browser: a running `devenv.browser.Browser`
    :param shop: a `tests.server.common.shop.Shop`
    """

    def __init__(self, browser, shop):
        self.browser, self.shop = browser, shop

    def open(self, login="dm_user", lang="en_US"):
        """Open the form as a marketing user, whose language is this one."""
        url = self.shop.server.url
        self.browser.log_in(url, login, PASSWORD)
        self.browser.open(f"{url}/odoo/action-{ACTION}/new", ".o_mail_theme_selector [data-name]")
        shown = self.browser.run(LANGUAGE)
        assert shown == lang, f"{login} sees the page in {shown}, not in {lang}"

    def get_themes(self):
        """Return the names of Odoo's themes."""
        return self.browser.run(THEMES)

    def get_designs(self, lang="en_US"):
        """Return {English name of a design: what a new template takes from it}."""
        designs = self.shop.user.call("directmail.design", "search_read", [[], ["name"]])
        context = {"context": {"lang": lang}}
        return {
            design["name"]: self.shop.user.call(
                "directmail.design", "get_content", [[design["id"]]], context
            )
            for design in designs
        }

    def choose(self, name, body=None):
        """Choose a theme, or a design by its body.

        :return: (body as the builder holds it, body with inlined styles), neither saved
        """
        self.browser.run(f"{FIELD} {CHOOSE % (json.dumps(body), json.dumps(name))}")
        wait_until(lambda: self.browser.run(INLINED), 60, f"the builder with {name}")
        return self.browser.run(ARCH), self.browser.run(INLINED)
