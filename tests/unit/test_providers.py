"""Names of mailbox providers: none that could be a person's own domain."""

from email_marketing_dm.privacy.providers import OTHER, get_provider


def test_large_providers_have_names():
    assert get_provider("gmail.com") == get_provider("Gmail") == get_provider("GoogleMail.com")
    assert get_provider("hotmail") == "Microsoft"
    assert get_provider("qq.com") == "QQ"


def test_the_domain_of_a_person_is_not_kept():
    assert get_provider("jane-doe.example") == OTHER
    assert get_provider(" ") == get_provider("") == ""
