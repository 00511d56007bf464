"""Pages of the web client in a real browser: opens each and reports what is wrong with it.

What is wrong: a serious or critical fault by axe-core, something that lies off the screen, a label
that is cut off, an error in the console. Pages are opened within the client, which takes a third of
a second instead of two.
"""

import json

from devenv import node

#: (width, height) of a window, a large screen and a phone
SIZES = {"window": (1280, 900), "screen": (1920, 1080), "phone": (390, 844)}
#: parts of the web client around our pages; all of their nodes are Odoo's own
AROUND = (
    ".o_control_panel_navigation",  # search, pager, switch of views
    ".o_searchview",
    ":is(.o_search_panel, .o_search_panel_sidebar)",
    ".o-mail-Chatter",
    ".settings_tab",
    ".o_calendar_sidebar",
    ".o_sidebar_toggler",
    "[name=impacted_module_ids]",
    "[name=show_all]",
)
#: {rule: nodes of Odoo's widgets}, which have that fault on Odoo's own pages, too: each is found
#: there by `test_odoos_own_faults`
OF_ODOO = {
    "aria-allowed-attr": (
        ".dropdown-toggle:has(> .o_select_menu_input, > * > .o_select_menu_input)",
        ".o-autocomplete--input",
        ".o_progress",
        ".o_tag",
    ),
    "aria-dialog-name": (".o_technical_modal",),
    "aria-required-parent": (
        ".o_mail_theme_selector [role=menuitem]",
        ".o_notebook [role=tab]",
    ),
    "autocomplete-valid": (".o_select_menu_input",),
    "button-name": (
        ".o_button_more",
        ".o_clipboard_button",
        "th .o-dropdown",  # choice of a list's columns
    ),
    "color-contrast": (".o_pivot_measure_row", ".o_setting_box .text-muted *"),
    "frame-title": ('iframe[sandbox="allow-same-origin"][scrolling=no]',),
    "image-alt": (".o_avatar img", "img.o_avatar"),
    "label": (".o_list_table .o-checkbox input", ".o_field_binary input"),
    "role-img-alt": (".o_avatar i",),
    "scrollable-region-focusable": (".o_pivot",),
}
#: what may be wider than the screen: Odoo lets a finger move it
MAY_SCROLL = (
    ".o_kanban_grouped",  # one column at a time fills the screen
    ".o_content:has(> .o_kanban_grouped)",
    ".o_pivot",  # grows with the data; on a phone, a pivot is never the first view of ours
    ".o_graph_renderer .overflow-x-auto",
    ".o-mail-Chatter-topbar",
    ".settings_tab",
    ".ribbon",
)
#: what every page needs once: the requests under way, and no animations, in which
#: colors are between two others
PREPARE = """
    const { rpcBus } = odoo.loader.modules.get("@web/core/network/rpc");
    // By their numbers: some requests were sent before this, and an abort tells of its end again.
    window.pages = { under_way: new Set() };
    rpcBus.addEventListener("RPC:REQUEST", ({ detail }) => pages.under_way.add(detail.data.id));
    rpcBus.addEventListener("RPC:RESPONSE", ({ detail }) => pages.under_way.delete(detail.data.id));
    const style = document.createElement("style");
    const still = "transition: none !important; animation: none !important";
    style.textContent = `*, *::before, *::after {${still}}`;
    document.head.append(style);
    window.pages.rest = async () => {
        let changed = performance.now();
        const observer = new MutationObserver(() => { changed = performance.now(); });
        observer.observe(document.body, {subtree: true, childList: true, attributes: true});
        const end = performance.now() + 20000;
        while (window.pages.under_way.size || performance.now() - changed < 100) {
            if (performance.now() > end) {
                break;
            }
            await new Promise((done) => setTimeout(done, 25));
        }
        observer.disconnect();
    };
"""
OPEN = """
    const { action, dialog } = odoo.__WOWL_DEBUG__.root.env.services;
    dialog.closeAll();
    const page = %s;
    const { user } = odoo.loader.modules.get("@web/core/user");
    page.context = {...user.context, ...page.context};
    let wanted = page.action;
    if (page.method) {
        const { rpc } = odoo.loader.modules.get("@web/core/network/rpc");
        const { model, method, ids: args } = page;
        wanted = await rpc("/web/dataset/call_button", {
            model, method, args, kwargs: {context: page.context},
        });
    }
    await action.doAction(wanted, {
        clearBreadcrumbs: true,
        additionalContext: page.context,
        viewType: page.view,
        props: page.action && page.id ? {resId: page.id} : {},
    });
    await window.pages.rest();
"""
#: the dialog, if there is one, else the page
SCOPE = """
    document.querySelector(".o_dialog .modal") || document.querySelector(".o_action_manager")
""".strip()
#: what a click on a tab changes in it
NOTEBOOKS = f"""
    [...({SCOPE}).querySelectorAll(".o_notebook")]
""".strip()
AXE = """
    const [around, ofOdoo] = %s;
    const found = await axe.run(
        {include: %s, exclude: around.map((selector) => [selector])},
        // Elements, not selectors, which find others if the page was drawn again.
        {iframes: false, resultTypes: ["violations"], elementRef: true}
    );
    const isOdoos = (rule, node) =>
        (ofOdoo[rule] || []).some((selector) => node.element.matches(selector));
    return found.violations
        .filter((rule) => ["serious", "critical"].includes(rule.impact))
        .flatMap((rule) => rule.nodes
            .filter((node) => !isOdoos(rule.id, node))
            .map((node) => `${rule.id}: ${node.target.at(-1)} ${node.html.slice(0, 200)}`));
"""
OFF_SCREEN = """
    const mayScroll = %s.join(", ");
    const scope = %s;
    const edge = window.innerWidth + 1;
    const found = [];
    const isPartOfFound = (element) => found.some((other) => other.contains(element));
    const isCutOff = (element) => {
        // text that ends with three dots is as it should be, a button is not
        if (element.matches("a, button, input")) return false;
        for (let parent = element.parentElement; parent !== scope; parent = parent.parentElement) {
            if (getComputedStyle(parent).textOverflow === "ellipsis") return true;
        }
        return false;
    };
    for (const element of scope.querySelectorAll("*")) {
        const isVisible = element.checkVisibility({visibilityProperty: true});
        if (!isVisible || element.closest(mayScroll) || isPartOfFound(element)) continue;
        const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
        const box = element.getBoundingClientRect();
        const outside = box.width && (box.right > edge || box.left < -1);
        const isWider = scrolls && element.scrollWidth > element.clientWidth + 1;
        if ((isWider || outside) && !isCutOff(element)) found.push(element);
    }
    return found.map((element) => {
        const {left, right} = element.getBoundingClientRect();
        return `off the screen: ${element.outerHTML.slice(0, 160)} `
            + `[${Math.round(left)} to ${Math.round(right)}, ${element.scrollWidth} wide]`;
    });
"""
#: what must be read whole: labels, buttons, examples in empty fields, names and column titles of
#: our lists, and on a phone all of their cells. No text has room for one word in a line only, and
#: in a window no cell of a list breaks a short text into more than two lines. A phone's buttons are
#: at least 24 pixels high (WCAG 2.2). Buttons of the head keep their text in one line, in Chinese,
#: too
CUT_OFF = """
    const [around, isPhone] = %s;
    const scope = %s;
    const whole = ["button", "a.btn", "label", ".badge", ".modal-title"];
    whole.push(".o_directmail td[name=name]", ".o_directmail thead th .min-w-0");
    if (isPhone) {
        whole.push(".o_directmail .o_data_cell");
    }
    const isOurs = (element) => element.checkVisibility({visibilityProperty: true})
        && !element.closest([...around, ".visually-hidden", ".o_tag"].join(", "));
    const isCut = (element) => element.clientWidth > 1
        && ["hidden", "clip"].includes(getComputedStyle(element).overflowX)
        && element.scrollWidth > element.clientWidth + 1;
    const describe = (element) => element.outerHTML.slice(0, 160);
    const found = [...scope.querySelectorAll(whole.join(", "))]
        .filter((element) => isOurs(element) && isCut(element))
        .map((element) => `cut off: ${element.innerText} ${describe(element)}`);
    const context = document.createElement("canvas").getContext("2d");
    const isPlaceholderCut = (input) => {
        const style = getComputedStyle(input);
        context.font = style.font;
        const paddings = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
        return context.measureText(input.placeholder).width > input.clientWidth - paddings + 1;
    };
    const empty = [...scope.querySelectorAll("input[placeholder]:placeholder-shown")];
    found.push(...empty.filter((input) => isOurs(input) && isPlaceholderCut(input))
        .map((input) => `cut off: ${input.placeholder} ${describe(input)}`));
    const texts = [...scope.querySelectorAll("a, button, p, span, td, th, label")];
    const squeezed = texts.filter((element) => isOurs(element)
        && element.innerText.length > 20
        && element.clientWidth && element.clientHeight > 4 * element.clientWidth);
    found.push(...squeezed.map((element) => `squeezed: ${describe(element)}`));
    const countLines = (element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return new Set([...range.getClientRects()].map(({top}) => Math.round(top))).size;
    };
    const cells = [...scope.querySelectorAll(".o_directmail .o_data_cell.text-wrap")];
    const crowded = cells.filter(
        (cell) => !isPhone && cell.innerText.length <= 40 && countLines(cell) > 2
    );
    found.push(...crowded.map((cell) => `crowded: ${cell.innerText} ${describe(cell)}`));
    const buttons = isPhone ? [...scope.querySelectorAll(".o_directmail .btn")] : [];
    const low = buttons.filter(
        (button) => isOurs(button) && button.getBoundingClientRect().height < 24
    );
    found.push(...low.map((button) => `low button: ${describe(button)}`));
    const heads = [...scope.querySelectorAll(".o_action.o_directmail .o_control_panel .btn")];
    const broken = heads.filter(
        (button) => isOurs(button) && getComputedStyle(button).whiteSpace !== "nowrap"
    );
    return [...found, ...broken.map((button) => `may break: ${describe(button)}`)];
"""
#: which of the nodes of `OF_ODOO` and `AROUND` are on a page, and faulty
KNOWN = """
    const [around, ofOdoo] = %s;
    const rules = Object.keys(ofOdoo);
    const options = {runOnly: {type: "rule", values: rules}, iframes: false, elementRef: true};
    const {violations} = await axe.run(document, options);
    const faulty = violations.flatMap((rule) => rule.nodes.flatMap((node) =>
        ofOdoo[rule.id].filter((selector) => node.element.matches(selector))
    ));
    return [...faulty, ...around.filter((selector) => document.querySelector(selector))];
"""
TABS = f"""
    const tabs = [...({SCOPE}).querySelectorAll(".o_notebook .nav-link")];
    // tabs of the mail builder have no names
    return tabs.filter((tab) => tab.name && !tab.classList.contains("active"))
        .map((tab) => tab.name);
"""
OPEN_TAB = """
    (%s).querySelector(`.o_notebook .nav-link[name=${%s}]`).click();
    await window.pages.rest();
"""


class Pages:
    """The web client of one user.

    :param browser: a running `devenv.browser.Browser`
    :param url: of Odoo
    """

    def __init__(self, browser, url, login, password):
        self._browser, self._size = browser, "window"
        browser.resize(*SIZES["window"])
        browser.log_in(url, login, password)
        self._prepare()

    def _prepare(self):
        self._browser.run(PREPARE)
        self._browser.run(node.AXE.read_text())

    def resize(self, size):
        """Show pages from now on as in a window, or on a phone."""
        self._size = size
        self._browser.resize(*SIZES[size])
        small = "true" if size == "phone" else "false"
        self._browser.wait(f"() => odoo.__WOWL_DEBUG__.root.env.isSmall === {small}")

    def open(self, **page):
        """Open a page and wait until it is at rest.

        :param page: ``action`` (XML id or a dict) with ``view`` (its type) and ``id`` (of the
            record), or ``model``, ``method`` and ``ids`` of a button; ``context``
        """
        self._browser.run(OPEN % json.dumps({"ids": [[page.get("id")]], **page}))

    def find_faults(self):
        """Return what is wrong with the page that is open, in all its tabs: a set of texts."""
        faults = self._find_faults_in(f"[{SCOPE}]")
        for tab in self._browser.run(TABS):
            self._browser.run(OPEN_TAB % (SCOPE, json.dumps(tab)))
            found = self._find_faults_in(NOTEBOOKS)
            faults |= {f"tab {tab}: {fault}" for fault in found - faults}
        faults |= {f"console: {error}" for error in self._browser.errors}
        self._browser.errors.clear()
        return faults

    def _find_faults_in(self, elements):
        """Return what axe-core finds in elements, and what else is wrong with the whole page."""
        faults = self._browser.run(AXE % (json.dumps([AROUND, OF_ODOO]), elements))
        return {
            *faults,
            *self._browser.run(OFF_SCREEN % (json.dumps(MAY_SCROLL), SCOPE)),
            *self._browser.run(CUT_OFF % (json.dumps([AROUND, self._size == "phone"]), SCOPE)),
        }

    def find_known(self):
        """Return what the page that is open shows of `AROUND` and, faulty, of `OF_ODOO`."""
        return set(self._browser.run(KNOWN % json.dumps([AROUND, OF_ODOO])))
