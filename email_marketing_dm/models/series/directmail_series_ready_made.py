from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import LazyTranslate

from ...content.expressions import make_record_path
from ...content.lengths import cut_units
from ...content.simple_mail import SimpleMail, make_body
from ...directmail.const import SENDER_NAME_MAX
from ...engine.values import find_obstacle

_lt = LazyTranslate(__name__)

#: Customer types of an RFM model who have not bought lately but were good customers.
LOST_TYPES = ("key_retention", "key_winback", "general_retention")
#: Fields of an abandoned cart, as they stand in texts: {name: field}.
CART_FIELDS = {"number": "name", "total": "amount_total"}
#: {name: what a ready-made series has}; a mail is a dict of texts, a wait is a dict of fields. The
#: text "cart" is shown where the user may read the fields of carts.
READY_MADE = {
    "welcome": {
        "name": _lt("Welcome"),
        "steps": (
            {
                "name": _lt("Welcome 1: good to have you here"),
                "subject": _lt("Good to have you here, {{ object.name ||| friend }}"),
                "preview_text": _lt("What you can expect from us, and where to begin."),
                "heading": _lt("Good to have you here"),
                "paragraphs": (
                    _lt(
                        "thank you for joining us. From now on you hear from us first: what is new,"
                        " what is back and what is worth a visit."
                    ),
                    _lt("If you have a question, you find all ways to reach us on our website."),
                ),
                "button": _lt("Look around"),
            },
            {"wait_number": 3, "wait_until": "hour", "wait_hour": 10.0},
            {
                "name": _lt("Welcome 2: three ways to begin"),
                "subject": _lt("Three good ways to begin"),
                "preview_text": _lt("What most people do in their first days with us."),
                "heading": _lt("Three good ways to begin"),
                "paragraphs": (
                    _lt(
                        "you have been with us for a few days. Here are three things that most"
                        " people do first."
                    ),
                    _lt("1. See what others choose: our most popular products are on our website."),
                    _lt(
                        "2. Tell us what you like: the link at the end of each mail leads to your"
                        " choices."
                    ),
                    _lt("3. Come back whenever you like. We are glad about every visit."),
                ),
                "button": _lt("See what is popular"),
            },
        ),
    },
    "winback": {
        "name": _lt("Win back"),
        "audience": "winback",
        "steps": (
            {
                "name": _lt("Win back 1: we have not seen you"),
                "subject": _lt("We have not seen you for a while"),
                "preview_text": _lt("Have a look at what is new since your last visit."),
                "heading": _lt("We have not seen you for a while"),
                "paragraphs": (
                    _lt(
                        "it has been some time since your last visit. Perhaps nothing was right, or"
                        " life was simply busy. Either way, we would like to have you back."
                    ),
                    _lt("A lot has changed since then. Have a look: it takes a minute."),
                ),
                "button": _lt("See what is new"),
            },
            {"wait_number": 7, "wait_until": "hour", "wait_hour": 10.0},
            {
                "name": _lt("Win back 2: shall we stay in touch?"),
                "subject": _lt("Shall we stay in touch?"),
                "preview_text": _lt("You decide whether you hear from us."),
                "heading": _lt("Shall we stay in touch?"),
                "paragraphs": (
                    _lt("we wrote to you last week because we have not seen you for a while."),
                    _lt(
                        "If our mails are still useful, a visit to our website is all it takes. If"
                        " not, you can unsubscribe at the end of this mail, and we will not ask"
                        " why."
                    ),
                ),
                "button": _lt("See what is new"),
            },
        ),
    },
    "birthday": {
        "name": _lt("Birthday"),
        "start": "birthday",
        "name_path": "directmail_first_name",
        "steps": (
            {
                "name": _lt("Birthday greeting"),
                "subject": _lt("Happy birthday, {{ object.directmail_first_name ||| friend }}"),
                "preview_text": _lt("A short greeting for your day."),
                "heading": _lt("Happy birthday"),
                "paragraphs": (
                    _lt(
                        "today is your day. We wish you a good year with health, good company and"
                        " time for what you like."
                    ),
                    _lt("Thank you for being with us. We are glad to have you."),
                ),
                "button": _lt("Visit us"),
            },
        ),
    },
    "cart": {
        "name": _lt("Abandoned cart"),
        "start": "cart",
        "steps": (
            {
                "name": _lt("Cart 1: still interested?"),
                "subject": _lt("Are you still interested?"),
                "preview_text": _lt("Your cart is waiting for you."),
                "heading": _lt("Are you still interested?"),
                "paragraphs": (
                    _lt(
                        "you have chosen something with us, but have not ordered it yet. Your cart"
                        " is still there."
                    ),
                    _lt(
                        "If something is unclear, you find all ways to reach us on our website. If"
                        " you have changed your mind, you need not do anything."
                    ),
                ),
                "cart": _lt("Your cart: number %(number)s, total %(total)s."),
                "button": _lt("Go to the shop"),
            },
            {"wait_number": 2, "wait_until": "hour", "wait_hour": 10.0},
            {
                "name": _lt("Cart 2: a last reminder"),
                "subject": _lt("A last reminder of your cart"),
                "preview_text": _lt("We do not write about it again."),
                "heading": _lt("A last reminder of your cart"),
                "paragraphs": (
                    _lt("a few days ago you have chosen something with us."),
                    _lt(
                        "We can't promise how long everything stays available. This is our last"
                        " mail about it."
                    ),
                ),
                "cart": _lt("Your cart: number %(number)s, total %(total)s."),
                "button": _lt("Go to the shop"),
            },
        ),
    },
}


class DirectmailSeries(models.Model):
    """Ready-made series: steps with templates in the user's language, to be adapted."""

    _inherit = "directmail.series"

    has_sales = fields.Boolean(compute="_compute_has_sales")

    def _compute_has_sales(self):
        self.has_sales = "sale.order" in self.env

    # === ACTIONS === #

    def action_use_ready_made(self):
        """Add the steps of the context's `ready_made` series, with new templates, to a draft.

        :return: True, or a notification with what is missing
        :raise UserError: if the series has steps already, was started, or has no account
        """
        self.ensure_one()
        self.check_access("write")
        ready_made = READY_MADE.get(self.env.context.get("ready_made"))
        if not ready_made or self.state != "draft" or self.step_ids:
            raise UserError(
                self.env._("Choose a ready-made series for a draft that has no steps yet.")
            )
        if self.name == self._get_default_name():
            name = ready_made["name"]
            self.name = self.env._(name)
        if not self.audience_id and ready_made.get("audience") == "winback":
            self.audience_id = self._make_winback_audience()
        if "start" in ready_made:
            self.write(getattr(self, f"_prepare_{ready_made['start']}_start")())
        self.step_ids = [
            fields.Command.create({"sequence": place, **self._prepare_step(step, ready_made)})
            for place, step in enumerate(ready_made["steps"])
        ]
        if ready_made.get("start") == "cart" and not self.start_table_id:
            return self._tell_no_carts()
        return True

    # === BUSINESS === #

    def _get_default_name(self):
        return self.env._("New series")

    def _prepare_birthday_start(self):
        """Return values that start the series on contacts' birthdays, as far as they are stored.

        Odoo alone has no such field, so the date may have to be chosen.
        """
        tables = self.env["directmail.data.table"].search([("preset", "=", "contacts")], limit=1)
        names = [
            name
            for name, field in self.env["res.partner"]._fields.items()
            if field.type == "date" and field.store and "birth" in name
        ]
        return {
            "start_kind": "date",
            "start_table_id": tables.id,
            "start_date_path": names[0] if tables and names else False,
            "start_yearly": True,
        }

    def _prepare_cart_start(self):
        """Return values that start the series for quotations that were left alone for four hours.

        Orders that get confirmed no longer match the filter, which calls the series off. Where no
        data table of quotations can be used, the table has to be chosen: `_tell_no_carts`. With an
        online shop, quotations of salespeople are left out.
        """
        table = self.env["directmail.data.table"].search(
            [("model_name", "=", "sale.order"), ("preset", "=", False), ("usable", "=", True)],
            limit=1,
        )
        domain = [("state", "in", ("draft", "sent"))]
        # Who may not read orders has only the fields that an administrator opened.
        if self._has_shop() and self._find_cart_values():
            domain.insert(0, ("website_id", "!=", False))
        return {
            "start_kind": "record",
            "start_table_id": table.id,
            "start_domain": str(domain) if table else "[]",
            "start_unchanged": 4,
        }

    def _tell_no_carts(self):
        """Return a notification that there is no data table of quotations, and whom to ask."""
        carts = self.env.get("sale.order")
        if carts is not None and carts.has_access("read"):
            message = self.env._(
                "The steps were added, but “Data table” is empty because there is no data table of"
                " quotations. Ask an administrator to add one for the model “Sales Order”, then"
                " choose it under “Data table”."
            )
        else:
            message = self.env._(
                "The steps were added, but “Data table” is empty because you may not read sales"
                " orders, and no data table of quotations is open to marketing users. Ask an"
                " administrator to add one for the model “Sales Order” and to open it to marketing"
                " users, then choose it under “Data table”."
            )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning",
                "sticky": True,
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _find_cart_values(self):
        """Return {name: path of the placeholder} of the fields of carts; {} if one can't be read.

        Mails show a record only with the rights of the owners of the series and of its templates.
        """
        carts = self.env.get("sale.order")
        if carts is None or any(
            find_obstacle(carts.with_user(user), path)
            for user in self.user_id | self.env.user
            for path in CART_FIELDS.values()
        ):
            return {}
        return {name: make_record_path(carts._name, path) for name, path in CART_FIELDS.items()}

    def _has_shop(self):
        """Return whether Odoo's online shop is installed, whose carts are quotations."""
        return "website_id" in self.env.get("sale.order", self)._fields

    def _get_cart_address(self):
        """Return the address of the cart in the company's shop, else of its website, or False.

        The page shows the cart of the visitor's browser or, after logging in, of their account. A
        link to the order itself would need its access token, with which people who get the mail
        forwarded could open the order.
        """
        company = self.company_id
        if not self._has_shop():
            return company.website
        # sudo(): users see the public address of the shop.
        sites = self.env["website"].sudo()
        site = sites.search([("company_id", "=", company.id), ("domain", "!=", False)], limit=1)
        address = site.domain or company.website
        return address and f"{address.rstrip('/')}/shop/cart"

    def _prepare_step(self, step, ready_made):
        """Return the values of a step of a ready-made series; a mail gets a new template."""
        if "subject" not in step:
            return {"kind": "wait", **step}
        return {"kind": "mail", "template_id": self._make_ready_made_template(step, ready_made).id}

    def _make_ready_made_template(self, mail, ready_made):
        """Return a new template in the user's language.

        :param dict mail: texts of a mail in `READY_MADE`
        :param dict ready_made: the entry of its series there
        """
        text = {name: self.env._(value) for name, value in mail.items() if name != "paragraphs"}
        paragraphs = [self.env._(one) for one in mail["paragraphs"]]
        company = self.company_id
        address, values = company.website, {}
        if "cart" in mail:
            address, values = self._get_cart_address(), self._find_cart_values()
            paragraphs[1:1] = [text["cart"]] * bool(values)
        # sudo(): users work in their company; its contact may be hidden from them by record rules.
        place = " ".join(company.partner_id.sudo()._display_address(True).split())
        body = make_body(
            SimpleMail(
                company=company.name,
                heading=text["heading"],
                greeting=self.env._("Dear %s,", "%s"),
                name=self.env._("friend"),
                paragraphs=paragraphs,
                button=(text["button"], address) if address else None,
                footer=(
                    self.env._(
                        "You get this mail because you are a customer of %s or asked for our news.",
                        company.name,
                    ),
                    f"{company.name}, "
                    + (place or self.env["directmail.design"]._get_example_address()),
                ),
                unsubscribe=self.env._("Unsubscribe"),
                view=self.env._("View online"),
                name_path=ready_made.get("name_path", "name"),
                values=values,
            )
        )
        return self.env["directmail.template"].create(
            {
                "name": text["name"],
                "account_id": self.account_id.id,
                "subject": text["subject"],
                "preview_text": text["preview_text"],
                "sender_name": cut_units(company.name, SENDER_NAME_MAX).strip(),
                "lang": self.env.lang,
                "body_arch": body,
                "body_html": body,
            }
        )

    def _make_winback_audience(self):
        """Return a new audience of lost customers of the newest RFM model that has any.

        Empty without such a model; the user then chooses an audience.
        """
        model = self.env["directmail.rfm.model"].search(
            [("company_id", "=", self.company_id.id), ("computed_on", "!=", False)],
            order="id desc",
            limit=1,
        )
        segments = self.env["directmail.rfm.segment"].search(
            [("rfm_model_id", "in", model.ids), ("customer_type", "in", LOST_TYPES)]
        )
        if not segments:
            return self.env["directmail.audience"]
        return self.env["directmail.audience"].create(
            {
                "name": self.env._("Win back: %s", model.display_name),
                "company_id": self.company_id.id,
                "refresh_every": "daily",
                "line_ids": [
                    fields.Command.create(
                        {
                            "kind": "rfm",
                            "rfm_model_id": model.id,
                            "rfm_by": "type",
                            "rfm_segment_ids": [fields.Command.set(segments.ids)],
                        }
                    )
                ],
            }
        )
