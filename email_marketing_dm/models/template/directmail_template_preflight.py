from odoo import api, models
from odoo.exceptions import UserError

from ...content import preflight, preflight_look
from ...content.expressions import COLUMN_PREFIX
from ...content.preflight_mail import BLANK, ERROR, FILL, WARNING, Finding, Mail
from ...content.repairs import REPAIRS, Draft, Phrases, repair

# Fields that the form sends in `values` of unsaved content.
_DRAFT_FIELDS = ("subject", "sender_name", "preview_text", "body_html", "account_id")
_HTML = ("body", "body_arch", "body_html")
# A finding shows this many details and the number of the others.
_DETAILS_MAX = 4
# Members of the audiences that are looked at while somebody writes.
_MEMBERS_MAX = 10000
# Codes of findings whose detail is the path of a placeholder.
_ABOUT_PATHS = frozenset(
    ("unreadable", "through_many", "not_text", "no_fallback", "unknown_column")
)


class DirectmailTemplate(models.Model):
    """Preflight of a template, while it is edited and when it is submitted.

    The checks are in `content.preflight`, the repairs in `content.repairs`; here are their texts.
    """

    _inherit = "directmail.template"

    @api.readonly
    def check_content(self, values):
        """Return the findings about unsaved content.

        :param dict values: values of the form's fields; `body` is the editor's current HTML,
            `body_html` the inlined body of the last saving, which determines the mail's size
        :return: [{code, level, title, why, details, fix, fix_label}]
        :rtype: list[dict]
        """
        values = {
            name: self._replace_embedded(value) if name in _HTML else value
            for name, value in values.items()
        }
        draft = self._make_draft(values)
        compiled = draft._compile_content(values.get("body") or values.get("body_html"))
        wire_text = draft._compile_content(draft.body_html).text if values.get("body") else ""
        source = values.get("body") or values.get("body_arch")
        return draft._find(compiled, values.get("body"), wire_text, source)

    @api.readonly
    def repair_content(self, values, fix):
        """Apply a repair to unsaved content.

        :param dict values: as in `check_content`, with `body_arch`
        :param str fix: a `fix` of `check_content`, a key of `content.repairs.REPAIRS`
        :return: {field: new value} of the fields that changed
        :rtype: dict
        :raise UserError: for an unknown repair
        """
        if fix not in REPAIRS:
            raise UserError(self.env._("This can't be fixed automatically."))
        draft = self._make_draft(values)
        before = {
            "subject": draft.subject or "",
            "sender_name": draft.sender_name or "",
            "body_arch": values.get("body_arch") or values.get("body_html") or "",
            "preview_text": draft.preview_text or "",
        }
        repaired = repair(
            fix, Draft(*before.values()), draft._get_phrases(), draft._get_public_url()
        )
        after = {
            "subject": repaired.subject,
            "sender_name": repaired.sender_name,
            "body_arch": repaired.body,
            "preview_text": repaired.preview_text,
        }
        return {name: value for name, value in after.items() if value != before[name]}

    # === BUSINESS === #

    def _make_draft(self, values):
        """Return an unsaved template with content from the form.

        Its `content_user_id` is the current user if the content differs from the saved one.

        :param dict values: as in `check_content`
        :raise AccessError: for an account that the user may not read
        """
        vals = {name: values[name] for name in _DRAFT_FIELDS if name in values}
        self.env["directmail.account"].browse(vals.get("account_id") or []).check_access("read")
        author = self.env.user if self._changes_content(vals) else self.content_user_id
        vals |= {"user_id": self.user_id.id or self.env.uid, "content_user_id": author.id}
        return self.new(vals, origin=self or None)

    def _find(self, compiled, body=None, wire_text="", source=None):
        """Return findings, as `check_content`, for compiled content of this template.

        :param compiled: a `content.placeholders.Compiled`
        :param body: the HTML that was compiled; `body_html` by default
        :param wire_text: the text to submit, if it is not `compiled.text`
        :param source: the HTML that repairs change; `body_arch` by default
        """
        body, source = body or self.body_html or "", source or self.body_arch or ""
        # sudo(): a company's contact may be hidden from its users by record rules.
        company = (self.account_id.company_id or self.env.company).partner_id.sudo()
        findings = preflight.check(
            Mail(
                subject=self.subject or "",
                sender_name=self.sender_name or "",
                preview_text=self.preview_text or "",
                body=body,
                source=source,
                compiled=compiled,
                wire_text=wire_text,
                public_url=self._get_public_url(),
                address=(company.street or "", company.zip or "", company.city or ""),
                in_body=self.account_id.template_in_body,
                test_mode=self.account_id.test_mode,
                own_urls=(self.get_base_url(),),
                has_website="website" in self.env,
                picture_sizes=self._get_picture_sizes(f"{source} {body}"),
                to_china=self._goes_to_china(),
                **self._get_demo_texts(source or body),
            )
        )
        findings = [
            *(
                Finding(obstacle, ERROR, path)
                for path in dict.fromkeys(v["path"] for v in compiled.variables)
                if (obstacle := self._find_obstacle(path))
            ),
            *self._find_unknown_columns(compiled),
            *findings,
            *self._find_dead_links(body),
        ]
        by_code = {}
        for finding in findings:
            by_code.setdefault((finding.code, finding.level), []).append(finding)
        return [self._describe(found) for found in by_code.values()]

    def _find_unknown_columns(self, compiled):
        """Yield a finding for each placeholder of a column that no list of the user has.

        :param compiled: a `content.placeholders.Compiled`
        """
        paths = dict.fromkeys(variable["path"] for variable in compiled.variables)
        keys = [
            path.removeprefix(COLUMN_PREFIX) for path in paths if path.startswith(COLUMN_PREFIX)
        ]
        for key in self.env["directmail.upload.column"]._find_unknown(keys) if keys else ():
            yield Finding("unknown_column", WARNING, COLUMN_PREFIX + key)

    def _get_demo_texts(self, body):
        """Return the texts of designs that may not be sent unchanged, as values of a Mail.

        :param body: HTML; the designs are read only if one of their texts may be in the mail
        """
        designs = self.env["directmail.design"]
        texts = {"demo_phrases": designs._get_demo_phrases()}
        if BLANK.search(body):
            texts["theme_blanks"] = designs._get_theme_blanks()
        if FILL in body or preflight.CODE.search(f"{self.subject} {self.preview_text}"):
            texts["demo_texts"] = designs._get_demo_texts()
        return texts

    def _goes_to_china(self):
        """Return whether recipients are in mainland China, as far as that is known quickly.

        Among the first contacts, of those the user may see, of the audiences of email tasks that
        will send the template; without such a task, whether the template's language is Chinese as
        written there.
        """
        tasks = self._origin.task_ids.filtered(lambda task: task.state in ("draft", "pending"))
        if not tasks.audience_ids:
            return self.lang == "zh_CN"
        members = self.env["directmail.audience.member"]
        first = members._search([("audience_id", "in", tasks.audience_ids.ids)], limit=_MEMBERS_MAX)
        china = self.env.ref("base.cn").id
        domain = [("id", "in", first), ("partner_id.country_id", "=", china)]
        return bool(members.search_count(domain, limit=1))

    def _describe(self, findings):
        """Return findings with one code and level as one dict for the form.

        :param findings: list of `content.preflight.Finding`
        :rtype: dict
        """
        code, level, fix = findings[0].code, findings[0].level, findings[0].fix
        title, why = self._get_explanations()[code]
        details = [finding.detail for finding in findings if finding.detail]
        if code in _ABOUT_PATHS:
            details = [self._describe_path(path) for path in details]
        if "%s" in title:
            title, details = title.replace("%s", ", ".join(details)), []
        more = len(details) - _DETAILS_MAX
        if more > 1:
            details = [*details[:_DETAILS_MAX], self.env._("and %s more", more)]
        return {
            "code": code,
            "level": level,
            "title": title,
            "why": why,
            "details": details,
            "fix": fix,
            "fix_label": self._get_fix_labels().get(fix, ""),
        }

    def _get_phrases(self):
        """Return the texts that repairs insert, in the current user's language.

        :rtype: content.repairs.Phrases
        """
        company = self.account_id.company_id or self.env.company
        # sudo(): the company's postal address stands in each of its mails.
        partner = company.partner_id.sudo()
        address = " ".join(partner._display_address(True).split("\n"))
        return Phrases(
            salutation=self.env._("Dear"),
            friend=self.env._("friend"),
            unsubscribe=self.env._("Unsubscribe"),
            reason=self.env._(
                "You get this mail because you are a customer of %s or asked for our news.",
                company.name,
            ),
            address=", ".join(part for part in (company.name, address.strip()) if part),
            picture=self.env._("Picture"),
            company=company.name,
            place=(partner.street or "", partner.city or ""),
        )

    @api.model
    def _get_fix_labels(self):
        return {
            "shorten_subject": self.env._("Shorten it"),
            "shorten_sender_name": self.env._("Shorten it"),
            "calm_subject": self.env._("Fix capitals and punctuation"),
            "absolute_links": self.env._("Complete the links"),
            "add_alternatives": self.env._("Add descriptions"),
            "add_salutation": self.env._("Insert a salutation"),
            "add_footer": self.env._("Insert a footer"),
            "write_preview_text": self.env._("Use the first sentence"),
            "mark_advertising": self.env._("Add the mark"),
            "fix_contrast": self.env._("Fix the colors"),
            "enlarge_text": self.env._("Enlarge the text"),
            "keep_texts": self.env._("Keep these texts"),
            "make_placeholders": self.env._("Make it a placeholder"),
            "plain_defaults": self.env._("Remove the formatting"),
            "plain_sender_name": self.env._("Remove the placeholder"),
            "remove_links": self.env._("Remove these links"),
            "remove_networks": self.env._("Remove these links"),
            "remove_pictures": self.env._("Remove the missing pictures"),
            "show_to_everybody": self.env._("Show to everybody"),
            "use_company_name": self.env._("Use the company's name"),
            "use_headline": self.env._("Use the headline"),
            preflight_look.SHRINK: self.env._("Shrink the pictures"),
        }

    @api.model
    def _get_explanations(self):
        """Return {code of a finding: (title, reason and what to do)}."""
        return {
            **self._explain_form(),
            **self._explain_placeholders(),
            **self._explain_content(),
            **self._explain_addresses(),
            **self._explain_look(),
            **self._explain_examples(),
            **self._explain_dead_links(),
        }
