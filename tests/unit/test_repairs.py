"""The repairs that the preflight offers: each removes its finding and changes nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.content.looks import read_looks
from email_marketing_dm.content.placeholders import compile_content
from email_marketing_dm.content.preflight import check
from email_marketing_dm.content.preflight_look import SHRINK
from email_marketing_dm.content.preflight_mail import read_fragment
from email_marketing_dm.content.repairs import REPAIRS, Draft, Phrases, repair
from tests.unit.common.preflight_examples import FAILING, GOOD, URL, mail, with_body, without

PHRASES = Phrases(
    "Dear", "friend", "Unsubscribe", "You get this mail because you asked for it.",
    "Azure Interior, 1 Orchard Road, 238824 Singapore", "Picture", "Azure Interior Ltd",
    ("1 Orchard Road", "Singapore"),
)  # fmt: skip


def mended(code, **options):
    """The mail after the fix of what was found, and what is found in it then."""
    before = mail(**options)
    [fix] = fixes_of(before, code)
    draft = Draft(before.subject, before.sender_name, before.body, before.preview_text)
    draft = repair(fix, draft, PHRASES, URL)
    options |= {"preview_text": draft.preview_text}
    options |= {"subject": draft.subject, "body": draft.body, "sender_name": draft.sender_name}
    after = mail(**options)
    return after, [one.code for one in check(after)]


@pytest.mark.parametrize(
    "code, options",
    [(code, options) for code, _level, options, detail in FAILING
     if any(one.fix in REPAIRS for one in check(mail(**options)) if one.code == code)],
)  # fmt: skip
def test_one_click_mends(code, options):
    """The finding is gone, there is no new one, and a repair changes what it is for only."""
    before, [fix] = mail(**options), fixes_of(mail(**options), code)
    after, found = mended(code, **options)
    assert code not in found
    # A placeholder that was typed without a default still needs one.
    assert set(found) <= {one.code for one in check(before)} | {"no_fallback"}
    changed = {name for name in ("subject", "sender_name", "preview_text", "body")
               if getattr(before, name) != getattr(after, name)}  # fmt: skip
    assert changed == {CHANGES.get(fix, "body")}
    kept = set(words(before.body)) - set(words(after.body))
    assert not kept or fix in ("plain_defaults", "make_placeholders"), kept


#: what a repair changes that does not change the body
CHANGES = {
    "shorten_subject": "subject", "use_headline": "subject", "calm_subject": "subject",
    "mark_advertising": "subject", "shorten_sender_name": "sender_name",
    "use_company_name": "sender_name", "plain_sender_name": "sender_name",
    "write_preview_text": "preview_text",
}  # fmt: skip


def fixes_of(example, code):
    return {one.fix for one in check(example) if one.code == code}


def words(body):
    return read_fragment(body).text_content().split()


def test_every_fix_exists_and_is_offered():
    offered = {one.fix for _code, _level, options, _d in FAILING for one in check(mail(**options))}
    assert offered - {""} == {*REPAIRS, SHRINK}


def test_subject_is_cut_at_a_word_and_placeholders_stay_whole():
    subject = "Dear {{ object.name ||| friend of the house }}, " + "our spring " * 12
    after, _found = mended("subject_long", subject=subject)
    assert after.subject.startswith("Dear {{ object.name ||| friend of the house }}, our spring")
    assert after.subject.endswith(("our", "spring"))


def test_calm_subject():
    after, _found = mended("shouting", subject="SALE!! {{ object.NAME ||| YOU }} TODAY ONLY!!!")
    assert after.subject == "Sale! {{ object.NAME ||| YOU }} today only"


def test_footer_goes_into_the_mail_and_names_everything():
    body = '<div class="o_layout"><div class="o_mail_wrapper_td oe_structure"><p>Hello!</p>'
    body += "</div></div>"
    after, found = mended("no_unsubscribe", body=body)
    assert after.body.endswith("</section></div></div>")
    assert found == []
    assert "/unsubscribe_from_list" in after.body and "Orchard Road" in after.body


def test_salutation_stands_before_the_first_text():
    body = GOOD.replace('<p>Dear <t t-out="object.name">friend</t>,</p>', "")
    body = '<div class="s_header"><p>This is the long header text</p></div>' + body
    after, _found = mended("no_salutation", body=body)
    assert '<p>Dear <t t-out="object.name">friend</t>,</p><p>our spring' in after.body


def test_footer_has_only_what_is_missing():
    after, _found = mended("no_reason", **without("You get this mail because", "Thank you for"))
    assert after.body.count("Orchard Road") == after.body.count("/unsubscribe_from_list") == 1
    assert after.body.count(PHRASES.reason) == 1


def test_headline_is_the_subject():
    body = "<h2>{{ object.name }}</h2><h1>Light &amp; warm</h1>" + GOOD
    assert mended("subject_empty", body=body, subject="")[0].subject == "Light & warm"
    assert mended("subject_empty", subject="")[0].subject.startswith("our spring collection")


def test_sender_name_without_placeholder():
    name = "placeholder_in_sender_name"
    assert mended(name, sender_name="Azure *|X|*")[0].sender_name == "Azure"
    assert mended(name, sender_name="{{object.x}}")[0].sender_name == "Azure Interior"
    assert mended("sender_name_empty", sender_name="")[0].sender_name == "Azure Interior"


def test_links_go_and_texts_stay():
    body = GOOD + (
        '<p>a<a href="https://www.facebook.com/Odoo"><i class="fa"></i></a>b'
        '<a href="https://twitter.com/Odoo">Follow us</a>c<a href="https://shop.org/x">d</a></p>'
    )
    after, found = mended("link_network", body=body)
    assert '<p>abFollow usc<a href="https://shop.org/x">d</a></p>' in after.body
    after, _found = mended("link_empty", body=GOOD + '<p>a<a href="#">b<i>c</i></a>d</p>')
    assert "<p>ab<i>c</i>d</p>" in after.body


def test_typed_braces_become_placeholders():
    body = GOOD + "<p>a {{ object.city ||| x }} b {{object.zip}} c<br>d {{ object.city }}</p>"
    after, _found = mended("inline_in_body", body=body)
    assert (
        '<p>a <t t-out="object.city">x</t> b <t t-out="object.zip"></t> c<br>'
        'd <t t-out="object.city"></t></p>'
    ) in after.body
    [finding] = [
        one for one in check(mail(**with_body("{{ object.f() }}"))) if one.code == "inline_in_body"
    ]
    assert not finding.fix


def test_blocks_are_shown_to_everybody():
    body = GOOD + '<t t-if="object.city"><p data-filter-domain="[1]">x</p></t><p t-else="">y</p>'
    after, found = mended("condition", body=body)
    assert after.body.endswith("<t><p>x</p></t><p>y</p>")
    assert found == []


def test_icons_are_described_when_sent():
    """Nobody can describe an icon in the builder; its link's site is all that it says."""
    icon = '<img src="/mail/font_to_img/61594/rgb(0%2C0%2C0)/20"/>'
    body = (
        f'<a href="https://www.facebook.com/Azure">{icon}</a><a href="https://a.org">{icon} A</a>'
    )
    text = compile_content("x", body, public_url=URL, links={}).text
    assert 'alt="Facebook"' in text
    assert 'alt=""> A' in text


def test_pictures_are_named():
    body = GOOD.replace(' alt="A meadow"', "") + '<img src="/a/s_default_image_1.jpg"/>'
    after, _found = mended("no_alt", body=body)
    assert 'alt="Spring"' in after.body and 'alt="Picture"' in after.body


def test_preview_text_is_the_first_sentence_for_everybody():
    after, _found = mended("no_preview_text", preview_text="")
    assert after.preview_text == "our spring collection is here. Have a look."


def test_ad_mark_is_in_the_script_of_the_subject():
    assert mended("no_ad_mark", subject="春季新品", to_china=True)[0].subject == "【广告】春季新品"
    assert mended("no_ad_mark", subject="Spring", to_china=True)[0].subject == "(AD) Spring"


def test_color_keeps_its_hue():
    text = '<p style="margin:0; background-color:#fff; COLOR: #7fbf7f">Green</p>'
    after, _found = mended("low_contrast", **with_body(text))
    color = after.body.rpartition("color:#")[2][:6]
    red, green, blue = (int(color[at : at + 2], 16) for at in (0, 2, 4))
    assert green > red == blue
    assert "margin:0; background-color:#fff;color:#" in after.body


def test_small_text_gets_room():
    text = '<p style="font-size:11px;line-height:16px">Small</p>'
    after, _found = mended("small_text", **with_body(text))
    assert "font-size:14px;line-height:20px;" in after.body


@pytest.mark.parametrize(
    "one, other, ratio",
    [("#000", "#fff", 21), ("#777", "#fff", 4.48), ("#fff", "#fff", 1), ("#767676", "#fff", 4.54)],
)  # fmt: skip
def test_contrast_is_that_of_wcag(one, other, ratio):
    body = f'<p style="color:{one};background:{other}">x</p>'
    [(_node, _words, look)] = list(read_looks(read_fragment(body)))
    assert look.contrast == pytest.approx(ratio, abs=0.06)


@given(st.text(max_size=200), st.text(max_size=30), st.text(max_size=300))
def test_nothing_is_too_odd_to_check_and_mend(subject, name, body):
    example = mail(subject, body, name)
    for one in check(example):
        if one.fix in REPAIRS:
            draft = repair(one.fix, Draft(subject, name, body), PHRASES, URL)
            assert isinstance(draft.body, str)
    assert check(replace(example, in_body=True)) is not None
