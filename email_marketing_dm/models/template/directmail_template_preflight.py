from odoo import api, models
from odoo.exceptions import UserError

from ...content import preflight
from ...content.preflight import ERROR, Finding
from ...content.repairs import REPAIRS, Draft, Phrases, repair
from ...directmail import const

# Fields that the form sends in `values` of unsaved content.
_DRAFT_FIELDS = ("subject", "sender_name", "preview_text", "body_html", "account_id")
# A finding shows this many details and the number of the others.
_DETAILS_MAX = 4
# Codes of findings whose detail is the path of a placeholder.
_ABOUT_PATHS = frozenset(("unreadable", "through_many", "not_text", "no_fallback"))


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
        draft = self._make_draft(values)
        compiled = draft._compile_content(values.get("body") or values.get("body_html"))
        wire_text = draft._compile_content(draft.body_html).text if values.get("body") else ""
        return draft._find(compiled, values.get("body"), wire_text)

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
        }
        repaired = repair(
            fix, Draft(*before.values()), draft._get_phrases(), draft._get_public_url()
        )
        after = {
            "subject": repaired.subject,
            "sender_name": repaired.sender_name,
            "body_arch": repaired.body,
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
        author = self.env.user if self._says_anew(vals) else self.content_user_id
        vals |= {"user_id": self.user_id.id or self.env.uid, "content_user_id": author.id}
        return self.new(vals, origin=self or None)

    def _find(self, compiled, body=None, wire_text=""):
        """Return findings, as `check_content`, for compiled content of this template.

        :param compiled: a `content.placeholders.Compiled`
        :param body: the HTML that was compiled; `body_html` by default
        :param wire_text: the text to submit, if it is not `compiled.text`
        """
        # sudo(): a company's contact may be hidden from its users by record rules.
        company = (self.account_id.company_id or self.env.company).partner_id.sudo()
        findings = preflight.check(
            preflight.Mail(
                subject=self.subject or "",
                sender_name=self.sender_name or "",
                preview_text=self.preview_text or "",
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
                Finding(obstacle, ERROR, path)
                for path in dict.fromkeys(v["path"] for v in compiled.variables)
                if (obstacle := self._find_obstacle(path))
            ),
            *findings,
        ]
        by_code = {}
        for finding in findings:
            by_code.setdefault((finding.code, finding.level), []).append(finding)
        return [self._describe(found) for found in by_code.values()]

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
        return {
            "shorten_subject": self.env._("Shorten it"),
            "shorten_sender_name": self.env._("Shorten it"),
            "calm_subject": self.env._("Fix capitals and punctuation"),
            "absolute_links": self.env._("Complete the links"),
            "add_alternatives": self.env._("Add descriptions"),
            "add_salutation": self.env._("Insert a salutation"),
            "add_footer": self.env._("Insert a footer"),
        }

    @api.model
    def _get_explanations(self):
        """Return {code of a finding: (title, reason and what to do)}."""
        return {
            **self._explain_form(),
            **self._explain_placeholders(),
            **self._explain_content(),
            **self._explain_addresses(),
        }

    @api.model
    def _explain_form(self):
        length = self.env._("DirectMail accepts at most %s characters.", const.SUBJECT_MAX)
        sender = self.env._(
            "DirectMail accepts at most %s characters. An emoji counts as two or more.",
            const.SENDER_NAME_MAX,
        )
        clipped = self.env._("Gmail hides everything after 102 KB, including the unsubscribe link.")
        large = self.env._(
            "DirectMail accepts about 80 KB, or up to 1 MB if Large templates is enabled on the"
            " account. Remove a block, or split the content into two mails."
        )
        return {
            "subject_empty": (
                self.env._("There is no subject."),
                self.env._("Enter a subject."),
            ),
            "subject_long": (self.env._("The subject has %s characters."), length),
            "subject_may_be_long": (
                self.env._("With its placeholders filled in, the subject may be too long."),
                self.env._("Everything after %s characters is cut off.", const.SUBJECT_MAX),
            ),
            "sender_name_empty": (
                self.env._("There is no sender name."),
                self.env._("Enter a sender name. It is the first thing recipients see."),
            ),
            "sender_name_long": (self.env._("The sender name is too long."), sender),
            "body_empty": (
                self.env._("The body is empty."),
                self.env._("Add some content."),
            ),
            "body_large": (self.env._("The mail is too large: %s KB."), large),
            "body_clipped": (self.env._("The mail is large: %s KB."), clipped),
        }

    @api.model
    def _explain_placeholders(self):
        plain = self.env._(
            "DirectMail can only insert values into a text. Use a plain field of the contact."
        )
        return {
            "condition": (
                self.env._("DirectMail can't show a block to some recipients only:"),
                self.env._(
                    "All recipients get the same text. Create a template for each group instead."
                ),
            ),
            "directive": (self.env._("DirectMail does not support this:"), plain),
            "expression": (self.env._("DirectMail does not support this:"), plain),
            "fallback_markup": (
                self.env._("DirectMail does not support this:"),
                self.env._(
                    "The default of a placeholder must be plain text, without formatting or links."
                ),
            ),
            "inline_in_body": (
                self.env._("Typed braces don't work as a placeholder:"),
                self.env._("Delete them, type / and choose Dynamic Placeholder instead."),
            ),
            "brace_in_subject": (
                self.env._("The subject contains braces:"),
                self.env._("DirectMail would treat them as a placeholder. Remove them."),
            ),
            "foreign_tag": (
                self.env._("This is a placeholder of another mailing tool:"),
                self.env._(
                    "Recipients would see it exactly like this. Delete it, type / and choose"
                    " Dynamic Placeholder instead. To show it as an example, format it as code."
                ),
            ),
            "placeholder_in_address": (
                self.env._("The address of a link or picture contains a placeholder:"),
                self.env._(
                    "The addresses of links and pictures are the same for all recipients. Remove"
                    " the placeholder from the address."
                ),
            ),
            "braces_in_address": (
                self.env._("The address of a link or picture contains braces:"),
                self.env._(
                    "No values are inserted into addresses. Check that the braces belong there."
                ),
            ),
            "placeholder_in_sender_name": (
                self.env._("The sender name contains a placeholder:"),
                self.env._("All recipients see the same sender name. Remove the placeholder."),
            ),
            "too_many_variables": (
                self.env._("There are %s placeholders."),
                self.env._(
                    "DirectMail accepts at most %s placeholders in one template. Remove some.",
                    const.VARIABLES_MAX,
                ),
            ),
            "unreadable": (
                self.env._("A placeholder can't be filled in:"),
                self.env._(
                    "Contacts don't have this field, or the owner or the person who last changed"
                    " the content may not read it. Choose another field."
                ),
            ),
            "through_many": (
                self.env._("A placeholder can have several values:"),
                self.env._("A placeholder needs a single value. Choose a field of the contact."),
            ),
            "not_text": (
                self.env._("A placeholder can't be shown as text:"),
                self.env._(
                    "Pictures, files and properties can't be inserted into a text. Choose another"
                    " field."
                ),
            ),
            "no_fallback": (
                self.env._("A placeholder has no default:"),
                self.env._(
                    "Recipients without this value would see a gap. Insert the placeholder again"
                    " with a default."
                ),
            ),
            "typed_variable": (
                self.env._("Recipients will see these braces:"),
                self.env._(
                    "To insert the recipient's name, type / and choose Dynamic Placeholder."
                ),
            ),
        }

    @api.model
    def _explain_content(self):
        reviewers = self.env._(
            "DirectMail's reviewers reject mails that read like unwanted advertising."
        )
        return {
            "no_unsubscribe": (
                self.env._("There is no unsubscribe link."),
                self.env._(
                    "DirectMail rejects mails that recipients can't unsubscribe from. Insert a"
                    " footer with the link."
                ),
            ),
            "unsubscribe_only_address": (
                self.env._("Recipients can unsubscribe only by writing a mail."),
                self.env._(
                    "Reviewers and mail programs look for an unsubscribe link. Insert a footer with"
                    " the link."
                ),
            ),
            "no_address": (
                self.env._("Your postal address is missing."),
                self.env._("Many countries require it, and it shows reviewers who you are."),
            ),
            "company_address_unknown": (
                self.env._("Your company has no postal address in Odoo."),
                self.env._(
                    "Every mail should contain the postal address. An administrator can enter it"
                    " under Settings."
                ),
            ),
            "no_reason": (
                self.env._("The mail doesn't say why recipients get it."),
                self.env._(
                    "Reviewers check whether recipients agreed to get the mail. Add a sentence at"
                    " the end that says why they get it."
                ),
            ),
            "no_salutation": (
                self.env._("There is no salutation."),
                self.env._(
                    "DirectMail asks for a polite salutation. Mails that use the recipient's name"
                    " are read more often."
                ),
            ),
            "suspicious_wording": (self.env._("These words are often rejected:"), reviewers),
            "shouting": (
                self.env._("The subject is in capitals or full of exclamation marks."),
                reviewers,
            ),
            "sharing": (
                self.env._("DirectMail rejects mails that refer to other networks:"),
                self.env._(
                    "WeChat, QQ, QR codes, Facebook and file sharing are not allowed. Link to your"
                    " own website instead."
                ),
            ),
            "foreign_element": (
                self.env._("Mail programs don't show this:"),
                self.env._("Put it on a page of your website and link to that page."),
            ),
        }

    @api.model
    def _explain_addresses(self):
        return {
            "link_empty": (
                self.env._("A link has no address."),
                self.env._("Enter the address, or remove the link."),
            ),
            "link_without_scheme": (
                self.env._("A link has no https:// at the beginning:"),
                self.env._(
                    "Mail programs open only complete addresses. Add https:// at the beginning."
                ),
            ),
            "link_relative": (
                self.env._("A link has no domain:"),
                self.env._(
                    "The link will lead to this server. Complete the address so that you see where"
                    " it leads."
                ),
            ),
            "link_example": (
                self.env._("A link still has the design's example address:"),
                self.env._("Reviewers open the links. Enter your own address."),
            ),
            "picture_not_public": (
                self.env._("A picture is not on a public https address:"),
                self.env._(
                    "Neither reviewers nor recipients can see it. Ask an administrator to check the"
                    " account's public address."
                ),
            ),
            "picture_embedded": (
                self.env._("A picture is embedded in the mail:"),
                self.env._(
                    "DirectMail only shows pictures with an https address. Upload the picture as a"
                    " file."
                ),
            ),
            "picture_empty": (
                self.env._("A picture is missing."),
                self.env._("Choose a picture, or remove the block."),
            ),
            "no_alt": (
                self.env._("Pictures without a description: %s"),
                self.env._(
                    "Many mail programs show the description until the picture is loaded, and"
                    " screen readers read it aloud."
                ),
            ),
        }
