from odoo import api, models

from ..directmail import const, preflight
from ..directmail.preflight import ERROR, Finding
from ..directmail.repairs import Draft, Phrases, repair

# What the form sends of a template that is being written.
_DRAFT_FIELDS = ("subject", "sender_name", "preview_text", "body_html", "account_id")
_DETAILS_MAX = 4


class DirectmailTemplate(models.Model):
    """What speaks against a template, while it is being written and when it is submitted.

    The rules are in `directmail.preflight`; here is what they say to a user.
    """

    _inherit = "directmail.template"

    def check_content(self, values):
        """Return what speaks against content that is not saved yet.

        :param dict values: of fields of the form; `body` is what stands in the editor at the
            moment, `body_html` what was made of it last, for its size
        :return: list of dictionaries: code, level, title, why, details, fix, fix_label
        """
        draft = self._make_draft(values)
        compiled = draft._compile_content(values.get("body") or values.get("body_html"))
        wire_text = draft._compile_content(draft.body_html).text if values.get("body") else ""
        return draft._find(compiled, values.get("body"), wire_text)

    def repair_content(self, values, fix):
        """Mend one thing in content that is not saved yet.

        :param dict values: as in `check_content`, with `body_arch`
        :param str fix: what `check_content` offered
        :return: {field: new value} of what changed
        """
        draft = self._make_draft(values)
        before = {
            "subject": draft.subject or "",
            "sender_name": draft.sender_name or "",
            "body_arch": values.get("body_arch") or values.get("body_html") or "",
        }
        mended = repair(
            fix, Draft(*before.values()), draft._get_phrases(), draft._get_public_url()
        )
        after = {
            "subject": mended.subject,
            "sender_name": mended.sender_name,
            "body_arch": mended.body,
        }
        return {name: value for name, value in after.items() if value != before[name]}

    # === BUSINESS === #

    def _make_draft(self, values):
        """Return an unsaved template with content from the form.

        :raise AccessError: for an account that the user may not read
        """
        vals = {name: values[name] for name in _DRAFT_FIELDS if name in values}
        self.env["directmail.account"].browse(vals.get("account_id") or []).check_access("read")
        vals["user_id"] = self.user_id.id or self.env.uid
        return self.new(vals, origin=self or None)

    def _find(self, compiled, body=None, wire_text=""):
        """Return what `check_content` describes, for compiled content of this template.

        :param body: what was compiled; None for the inlined body
        :param wire_text: what is submitted, if it is not the compiled text
        """
        company = (self.account_id.company_id or self.env.company).partner_id.sudo()
        findings = preflight.check(
            preflight.Mail(
                subject=self.subject or "",
                sender_name=self.sender_name or "",
                body=body or self.body_html or "",
                compiled=compiled,
                wire_text=wire_text,
                public_url=self._get_public_url(),
                address=(company.street or "", company.zip or "", company.city or ""),
                in_body=self.account_id.template_in_body,
                test_mode=self.account_id.test_mode,
            )
        )
        findings = [
            *(
                Finding("unreadable", ERROR, path)
                for path in dict.fromkeys(v["path"] for v in compiled.variables)
                if not self._is_readable("res.partner", path)
            ),
            *findings,
        ]
        by_code = {}
        for finding in findings:
            by_code.setdefault((finding.code, finding.level), []).append(finding)
        return [self._describe(found) for found in by_code.values()]

    def _describe(self, findings):
        """Return findings of one rule as one thing for a user to read."""
        code, level, fix = findings[0].code, findings[0].level, findings[0].fix
        title, why = self._get_explanations()[code]
        details = [finding.detail for finding in findings if finding.detail]
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
        """Return what repairs insert, in the language of whoever writes."""
        company = self.account_id.company_id or self.env.company
        address = " ".join(company.partner_id.sudo()._display_address(True).split("\n"))
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
        )

    @api.model
    def _get_fix_labels(self):
        _ = self.env._
        return {
            "shorten_subject": _("Shorten it"),
            "shorten_sender_name": _("Shorten it"),
            "calm_subject": _("Calm it down"),
            "absolute_links": _("Complete the links"),
            "add_alternatives": _("Name the pictures"),
            "add_salutation": _("Insert a salutation"),
            "add_footer": _("Insert a footer"),
        }

    @api.model
    def _get_explanations(self):
        """Return {rule: (what it found, why DirectMail or a reader cares)}."""
        return {**self._explain_form(), **self._explain_placeholders(), **self._explain_content(),
                **self._explain_addresses()}  # fmt: skip

    @api.model
    def _explain_form(self):
        _ = self.env._
        length = _("DirectMail takes %s characters.", const.SUBJECT_MAX)
        sender = _("DirectMail takes %s characters.", const.SENDER_NAME_MAX)
        clipped = _("Gmail hides what comes after 102 KB, the unsubscribe link too.")
        large = _(
            "DirectMail takes about 80 KB, or 1 MB where the account hands large templates over"
            " in the body of the call. Leave out a block, or make two mails of it."
        )
        return {
            "subject_empty": (_("There is no subject."), _("Every mail needs one.")),
            "subject_long": (_("The subject has %s characters."), length),
            "subject_may_be_long": (
                _("Filled in, the subject may get too long."),
                _("What is longer than %s characters is cut off.", const.SUBJECT_MAX),
            ),
            "sender_name_empty": (_("There is no sender name."), _("Readers look at it first.")),
            "sender_name_long": (_("The sender name is too long."), sender),
            "body_empty": (_("The body is empty."), _("There is nothing to review.")),
            "body_large": (_("The mail is too large: %s KB."), large),
            "body_clipped": (_("The mail is large: %s KB."), clipped),
        }

    @api.model
    def _explain_placeholders(self):
        _ = self.env._
        plain = _("DirectMail only puts values into a text. Use a plain field of the contact.")
        return {
            "condition": (
                _("DirectMail can't show parts to some people only:"),
                _("Everybody gets the same text. Make a template for each group instead."),
            ),
            "directive": (_("DirectMail can't express this:"), plain),
            "expression": (_("DirectMail can't express this:"), plain),
            "fallback_markup": (
                _("DirectMail can't express this:"),
                _("The default of a placeholder is plain text, without bold or links in it."),
            ),
            "inline_in_body": (
                _("Typed braces are no placeholder:"),
                _("Delete them, type / and choose Dynamic Placeholder instead."),
            ),
            "brace_in_subject": (
                _("The subject contains braces:"),
                _("DirectMail would take them for a placeholder. Leave them out."),
            ),
            "too_many_variables": (
                _("There are %s placeholders."),
                _("DirectMail takes %s in one template.", const.VARIABLES_MAX),
            ),
            "unreadable": (
                _("There is no field %s on contacts."),
                _("Or it is one that you may not read. Choose another one."),
            ),
            "no_fallback": (
                _("A placeholder has no default:"),
                _("Whoever has nothing there reads a gap. Insert it again with a default."),
            ),
            "typed_variable": (
                _("Readers will see these braces:"),
                _("To write somebody's name, type / and choose Dynamic Placeholder."),
            ),
        }

    @api.model
    def _explain_content(self):
        _ = self.env._
        reviewers = _("DirectMail's reviewers reject mails that read like unwanted advertising.")
        return {
            "no_unsubscribe": (
                _("There is no unsubscribe link."),
                _("DirectMail rejects mails that nobody can unsubscribe from."),
            ),
            "unsubscribe_only_address": (
                _("People can unsubscribe by mail only."),
                _("A link is what reviewers and mail programs look for."),
            ),
            "no_address": (
                _("Your postal address is missing."),
                _("Many countries require it, and it shows reviewers that you are no stranger."),
            ),
            "company_address_unknown": (
                _("Your company has no postal address in Odoo."),
                _("Every mail should name it. An administrator enters it under Settings."),
            ),
            "no_reason": (
                _("The mail doesn't say why people get it."),
                _("Reviewers ask whether people agreed. One sentence at the end answers that."),
            ),
            "no_salutation": (
                _("There is no salutation."),
                _("DirectMail asks for a polite one. One with the name is read more often."),
            ),
            "suspicious_wording": (_("These words are often rejected:"), reviewers),
            "shouting": (_("The subject shouts."), reviewers),
            "sharing": (
                _("DirectMail rejects mails that lead to other networks:"),
                _("WeChat, QQ, QR codes, Facebook, file sharing: link to your own site instead."),
            ),
            "foreign_element": (
                _("Mail programs don't show this:"),
                _("Put it on a page of yours and link to that."),
            ),
        }

    @api.model
    def _explain_addresses(self):
        _ = self.env._
        return {
            "link_empty": (_("A link leads nowhere."), _("Set its address, or remove it.")),
            "link_without_scheme": (
                _("A link has no https:// before it:"),
                _("In a mail it leads nowhere."),
            ),
            "link_relative": (
                _("A link has no host:"),
                _("It will lead to this server. Complete it so that you see where to."),
            ),
            "link_example": (
                _("A link is still the design's example:"),
                _("Reviewers follow links."),
            ),
            "picture_not_public": (
                _("A picture is not on a public https address:"),
                _("Neither reviewers nor readers can see it. Ask an administrator for the"
                  " account's public address."),
            ),
            "picture_embedded": (
                _("A picture is inside the mail:"),
                _("DirectMail shows only pictures on https addresses. Upload it as a file."),
            ),
            "picture_empty": (_("A picture is missing."), _("Choose one, or remove its block.")),
            "no_alt": (
                _("Pictures without a description: %s"),
                _("Many mail programs show it instead of the picture, and some people hear it."),
            ),
        }  # fmt: skip
