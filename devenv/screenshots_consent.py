"""The pictures of sign-up forms, of the page of preferences, and of a guarded sender address."""

import re

from . import demo_data
from .browser import HEIGHT, WIDTH

#: (width, height) of the pictures of public pages
PAGE = (820, 900)
#: whether a page is in English, and its reader gets mails
IS_WANTED = """
    const isEnglish = document.documentElement.lang.startsWith("en");
    return isEnglish && !!document.querySelector("input[name=cap]");
"""


def take(photographer, campaign, emulator):
    """Take the pictures; the campaign stays as it is.

    :param photographer: a `screenshots.Photographer`
    :param campaign: a `demo_campaign.Campaign` that has run
    :param emulator: the running emulator
    """
    from . import demo_server

    admin = demo_server.User(photographer.url, "admin", "admin")
    photographer.browser.log_in(photographer.url, "admin", "admin")
    take_forms(photographer, admin)
    take_sender(photographer, admin, campaign)
    take_preferences(photographer, emulator)
    photographer.browser.log_in(photographer.url, "marketing", demo_data.PASSWORD)


def take_forms(photographer, admin):
    """A topic, a form with two topics, and its public page."""
    topics = [
        admin.create("directmail.purpose", name=name, description=description)
        for name, description in (
            ("Tea letter", "Once a month: the new harvest, and how to brew it"),
            ("Offers", "A few times a year, when there is something to save"),
        )
    ]
    photographer.open("directmail_purpose_action", topics[0])
    photographer.save("topic")
    form = admin.create(
        "directmail.signup.form",
        name="Form on our website",
        title="Tea letters from Northlight",
        introduction="What we taste on our travels, before it is in the shop.",
        purpose_ids=[(6, 0, topics)],
        asks_name=True,
    )
    photographer.open("directmail_signup_form_action", form)
    photographer.save("sign-up-form")
    address = admin.read("directmail.signup.form", form, "page_url")["page_url"]
    show_page(photographer, address, "input[name=topic]", "sign-up-page")


def take_sender(photographer, admin, campaign):
    """The people behind the figures of a sender address, and the dialog of its warm-up."""
    [sender] = admin.read("directmail.task", campaign.task, "sender_id")["sender_id"][:1]
    photographer.open("directmail_sender_action", sender)
    photographer.browser.click("button[name=action_warm_up]", ".modal-body [name=plan]")
    photographer.save("warm-up")
    photographer.open("directmail_sender_action", sender)
    photographer.browser.click("button[name=action_view_troubles]", ".o_group_header")
    photographer.browser.click(".o_group_header", ".o_data_row")
    photographer.save("guard")


def take_preferences(photographer, emulator):
    """The page behind the unsubscribe link of a mail to somebody who reads English."""
    photographer.browser.resize(*PAGE)
    for row in emulator.ledger():
        html = emulator.mail(row["env_id"])["html"]
        token = re.search(r"/directmail/unsubscribe/([\w-]+)", html)[1]
        address = f"{photographer.url}/directmail/preferences/{token}"
        photographer.browser.open(address, "main")
        if photographer.browser.run(IS_WANTED):
            break
    photographer.save("preferences")
    photographer.browser.resize(WIDTH, HEIGHT)


def show_page(photographer, address, wanted, name):
    """Take the picture of a public page, as narrow as it is."""
    photographer.browser.resize(*PAGE)
    photographer.browser.open(address, wanted)
    photographer.save(name)
    photographer.browser.resize(WIDTH, HEIGHT)
