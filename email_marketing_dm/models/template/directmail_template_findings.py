from odoo import api, models

from ...directmail import const


class DirectmailTemplate(models.Model):
    """The texts of the preflight's findings: {code: (title, reason and what to do)}."""

    _inherit = "directmail.template"

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
                    "There is no such field, or the owner or the person who last changed the"
                    " content may not read it. Choose another field."
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
            "unknown_column": (
                self.env._("No uploaded list has this column:"),
                self.env._(
                    "Everybody would see the default. Upload a list with this column, use the"
                    " column as a placeholder there, or remove the placeholder."
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
            "sharing_link": (
                self.env._("A link leads to a network that DirectMail does not allow:"),
                self.env._(
                    "DirectMail rejects mails that link to Facebook, QQ or file sharing. Link to"
                    " your own website instead, or remove the links."
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
            "link_network": (
                self.env._("A link still leads to Odoo's own page in a social network:"),
                self.env._(
                    "The addresses in a theme are examples. Enter the address of your own page, or"
                    " remove the links."
                ),
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

    @api.model
    def _explain_look(self):
        alternative = self.env._(
            "Many mail programs show the description until the picture is loaded, and screen"
            " readers read it aloud. Describe what the picture shows."
        )
        heavy = self.env._(
            "Large pictures load slowly on phones. Smaller copies replace them in this mail; the"
            " originals stay unchanged."
        )
        return {
            "useless_alt": (
                self.env._("The description of a picture is a file name:"),
                alternative,
            ),
            "picture_heavy": (self.env._("A picture has more than 200 KB:"), heavy),
            "pictures_heavy": (self.env._("All pictures together have %s KB."), heavy),
            "only_pictures": (
                self.env._("The mail has pictures, but hardly any text."),
                self.env._(
                    "Spam filters distrust such mails, and many mail programs show no pictures at"
                    " first. Write the most important information as text."
                ),
            ),
            "low_contrast": (
                self.env._("Text is hard to read on its background:"),
                self.env._(
                    "The contrast should be at least 4.5 : 1, or 3 : 1 for large text. Choose a"
                    " darker or lighter color."
                ),
            ),
            "small_text": (
                self.env._("Text is smaller than 14 px:"),
                self.env._("It is hard to read on a phone."),
            ),
        }

    @api.model
    def _explain_examples(self):
        return {
            "no_preview_text": (
                self.env._("There is no preview text."),
                self.env._("Without it, mail programs show the beginning of the mail instead."),
            ),
            "preview_is_subject": (
                self.env._("The preview text is the same as the subject."),
                self.env._("Mail programs show both side by side. Tell recipients something new."),
            ),
            "no_ad_mark": (
                self.env._("Recipients are in mainland China, and the subject has no AD mark."),
                self.env._(
                    'The law there requires "AD" or "广告" at the beginning of the subject of'
                    " advertising."
                ),
            ),
            "demo_text": (
                self.env._("This is still an example text of the design:"),
                self.env._("Enter your own products, prices, dates and codes."),
            ),
            "link_login": (
                self.env._("A link leads to the log-in page of this Odoo:"),
                self.env._("Recipients can't log in there. Enter the address of a public page."),
            ),
            "link_shortened": (
                self.env._("A link uses a URL shortener:"),
                self.env._(
                    "Spam filters and DirectMail's reviewers distrust shortened links. Enter the"
                    " full address; clicks are counted anyway."
                ),
            ),
        }
