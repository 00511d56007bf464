from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...content.mail_links import find_targets
from ...content.preflight_mail import WARNING, Finding, host_of
from ...directmail import link_visits
from ...directmail.link_visits import Visitor, visit_all

CRON = "email_marketing_dm.ir_cron_directmail_pages"
# Minutes for which an answer counts: a page is not opened again before.
FRESH = 10
# Pages that are opened for the templates of one company within an hour.
PAGES_PER_HOUR = 1_000
# Pages that one run of the cron opens before the next run is due.
BATCH = 200
#: {answer: code of the finding}; REFUSED and UNCLEAR say nothing about the page
FINDINGS = {
    link_visits.MISSING: "link_missing",
    link_visits.BROKEN: "link_broken",
    link_visits.NAME: "link_unknown_host",
    link_visits.CONNECTION: "link_no_answer",
    link_visits.CERTIFICATE: "link_certificate",
}


class DirectmailTemplatePage(models.Model):
    """A web page that a template links to, and how it answered.

    *Check the links* writes the rows without an answer, the cron opens the pages. Users read them
    only through the methods of the template. Rows without a template (it was deleted, or the page
    was asked for again) only count in PAGES_PER_HOUR.
    """

    _name = "directmail.template.page"
    _description = "Linked Page of an Email Template"
    _order = "id"

    template_id = fields.Many2one("directmail.template", index=True, ondelete="set null")
    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade")
    url = fields.Char("Address", required=True)
    title = fields.Char("Text of the link")
    answer = fields.Selection(
        [
            ("ok", "Answers"),
            ("missing", "Page not found"),
            ("broken", "Error"),
            ("name", "Unknown site"),
            ("connection", "No answer"),
            ("certificate", "No secure connection"),
            ("refused", "Refuses programs"),
            ("unclear", "Not clear"),
            ("skipped", "Not opened"),
        ],
        help="Empty while the page waits to be opened.",
    )
    asked_at = fields.Datetime("Asked at", required=True)

    _opened_idx = models.Index("(company_id, asked_at)")
    _waiting_idx = models.Index("(id) WHERE answer IS NULL")
    _once = models.Constraint("UNIQUE (template_id, url)", "A template has each page once.")

    @api.model
    def _cron_visit(self):
        """Open the pages that wait, and commit each answer as it comes."""
        cron = self.env["ir.cron"]
        waiting = [("answer", "=", False), ("template_id", "!=", False)]
        pages = self.search(waiting, limit=BATCH)
        visitors = {template: template._make_visitor() for template in pages.template_id}
        jobs = [(page.id, visitors[page.template_id], page.url) for page in pages]
        left = {"seconds": cron._commit_progress(remaining=len(jobs))}
        for number, answer in visit_all(jobs, lambda: not left["seconds"]):
            # The template may have been deleted, or its links asked for anew, in the meantime.
            self.browse(number).exists().write({"answer": answer})
            left["seconds"] = cron._commit_progress(1)
        if len(pages) == BATCH:
            cron._commit_progress(remaining=1)

    def _check_pages_per_hour(self, company, number):
        """Check that further pages may be opened for a company.

        :param int number: of further pages
        :raise UserError: if they would be more than PAGES_PER_HOUR
        """
        if not number:
            return
        # No-op UPDATE to lock the company row: a concurrent check of another template's links waits
        # here, conflicts and is retried, so that it counts the pages of this one.
        self.env.execute_query(
            SQL("UPDATE res_company SET id = id WHERE id = %s RETURNING id", company.id)
        )
        since = fields.Datetime.now() - timedelta(hours=1)
        opened = self.search_count([("company_id", "=", company.id), ("asked_at", ">", since)])
        if opened + number > PAGES_PER_HOUR:
            raise UserError(
                self.env._(
                    "Too many links were checked within the last hour. Check these links later."
                )
            )

    @api.autovacuum
    def _gc_pages(self):
        """Delete rows without a template that no longer count."""
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return 0, False
        hour_ago = fields.Datetime.now() - timedelta(hours=1)
        old = self.search([("template_id", "=", False), ("asked_at", "<=", hour_ago)], limit=10_000)
        old.unlink()
        return len(old), len(old) == 10_000


class DirectmailTemplate(models.Model):
    """Check of the links: which pages of the mail do not answer."""

    _inherit = "directmail.template"

    page_ids = fields.One2many(
        "directmail.template.page", "template_id", groups="base.group_system"
    )

    def check_links(self):
        """Have the pages that the saved mail links to opened in the background.

        Pages that wait already are not asked for again, nor those that answered within FRESH
        minutes, unless their answer is a finding: somebody may just have corrected the page.

        :return: as `get_link_progress`
        :raise UserError: if too many pages were opened for the company within the last hour
        """
        self.ensure_one()
        self.check_access("write")
        # No-op UPDATE to lock the template row: a concurrent press conflicts and is retried.
        self.env.execute_query(
            SQL("UPDATE directmail_template SET id = id WHERE id = %s RETURNING id", self.id)
        )
        # sudo(): the right to the template was checked.
        pages = self.sudo().page_ids
        now = fields.Datetime.now()
        fresh = pages.filtered(
            lambda page: (
                not page.answer
                or page.answer not in FINDINGS
                and page.asked_at > now - timedelta(minutes=FRESH)
            )
        )
        known = set(fresh.mapped("url"))
        asked = [target for target in self._find_targets() if target.url not in known]
        company = self.account_id.company_id or self.env.company
        pages._check_pages_per_hour(company, len(asked))
        stale = pages - fresh
        stale.filtered(lambda page: page.asked_at <= now - timedelta(hours=1)).unlink()
        # The other rows stay, because they count. A page that is asked for again gets a new row.
        urls = {target.url for target in asked}
        again = stale.exists().filtered(lambda page: page.url in urls)
        again.template_id = False
        again.flush_recordset()
        pages.create(
            [
                {
                    "template_id": self.id,
                    "company_id": company.id,
                    "url": target.url,
                    "title": target.title,
                    "answer": "skipped" if target.is_skipped else False,
                    "asked_at": now,
                }
                for target in asked
            ]
        )
        # sudo(): any user may let the cron run earlier.
        self.env.ref(CRON).sudo()._trigger()
        return self.get_link_progress()

    @api.readonly
    def get_link_progress(self):
        """Return how far the check of the saved mail's links is.

        :return: {"links": number of pages that the mail links to, "pages": number of those that
            were asked for, "done": number of those with an answer, "checked_at": time of the last
            check, "gone": those that do not exist, "unclear": those that nobody can judge without
            opening them}; the last two as [{"url", "title", "reason"}]
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        body = self.body_html or self.body_arch
        pages, reasons = self._get_pages(body), self._get_reasons()
        return {
            "links": len(self._find_targets(body)),
            "pages": len(pages),
            "done": len(pages.filtered("answer")),
            "checked_at": max(pages.mapped("asked_at"), default=False),
            "gone": [
                {"url": page.url, "title": page.title or page.url, "reason": ""}
                for page in pages
                if page.answer == link_visits.MISSING
            ],
            "unclear": [
                {"url": page.url, "title": page.title or page.url, "reason": reasons[page.answer]}
                for page in pages
                if page.answer in reasons
            ],
        }

    # === BUSINESS === #

    def _open_gone(self):
        """Return the dialog that asks whether to submit although linked pages do not exist.

        None if the last check found no such page.
        """
        self.ensure_one()
        progress = self.get_link_progress()
        if not progress["gone"]:
            return None
        return {
            "type": "ir.actions.client",
            "tag": "directmail_gone_links",
            "params": {"template_id": self.id, "progress": progress},
        }

    @api.model
    def _get_reasons(self):
        """Return {answer: why it says nothing about the page}."""
        return {
            link_visits.REFUSED: self.env._("The site asks for a log-in or refuses programs."),
            link_visits.UNCLEAR: self.env._("The site gave no clear answer."),
            "skipped": self.env._(
                "Not opened: the address has a placeholder or an unusual port, or opening it may"
                " unsubscribe or confirm something."
            ),
        }

    def _find_targets(self, body=None):
        """Return the `content.mail_links.Target` of each page that the mail links to.

        :param body: HTML; that of the saved template by default
        """
        visitor = self._make_visitor()
        base = self._get_public_url() or self.get_base_url()
        body = body or self.body_html or self.body_arch or ""
        return find_targets(
            str(body), base, self._get_own_hosts(), visitor.may_open, self._follow_short_link
        )

    def _get_own_hosts(self):
        return {host_of(url) for url in (self._get_public_url(), self.get_base_url()) if url}

    def _make_visitor(self):
        """Return the `directmail.link_visits.Visitor` for the pages of this mail.

        Hosts that the server's configuration allows are for emulators, so links of real mails are
        opened at public addresses only.
        """
        # sudo(): reads the account's mode and the server's configuration only.
        account = self.account_id.sudo()
        # The threads that open pages must not use the database: `is_allowed` reads none.
        test_mode, is_allowed = account.test_mode, account._is_host_allowed
        return Visitor(self._get_own_hosts(), lambda url: test_mode and is_allowed(url))

    @api.model
    def _follow_short_link(self, code):
        # sudo(): who has the short link may open it, and so may know its target.
        found = self.env["link.tracker.code"].sudo().search([("code", "=", code)], limit=1)
        return found.link_id.url

    def _get_pages(self, body):
        """Return the pages of a body that were asked for.

        :rtype: directmail.template.page
        """
        if not self._origin:
            return self.env["directmail.template.page"]
        # sudo(): who reads the template may know what its links answer.
        pages = self._origin.sudo().page_ids
        urls = {target.url for target in self._find_targets(body)} if pages else ()
        return pages.filtered(lambda page: page.url in urls)

    def _find_dead_links(self, body):
        """Return findings about the pages of a body that did not answer."""
        return [
            Finding(FINDINGS[page.answer], WARNING, page.title or page.url)
            for page in self._get_pages(body)
            if page.answer in FINDINGS
        ]

    @api.model
    def _explain_dead_links(self):
        check = self.env._("Open the link and correct its address. Then check the links again.")
        return {
            "link_missing": (self.env._("A link leads to a page that does not exist:"), check),
            "link_broken": (
                self.env._("A link leads to a page that answers with an error:"),
                self.env._("Open the link. If the page works again, check the links again."),
            ),
            "link_unknown_host": (self.env._("A link leads to a site that does not exist:"), check),
            "link_no_answer": (
                self.env._("A link leads to a site that does not answer:"),
                self.env._("Open the link. If the page works again, check the links again."),
            ),
            "link_certificate": (
                self.env._("A link leads to a site without a valid certificate:"),
                self.env._("Browsers warn of such a site. Use another address, or ask its owner."),
            ),
        }
