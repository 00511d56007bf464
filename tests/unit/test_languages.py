"""The choice of a language for a recipient."""

import pytest

from email_marketing_dm.content.languages import choose_language, join_sentences

SPOKEN = ["en_US", "zh_CN", "zh_TW", "de_DE", "de_CH", "pt_PT", "pt_BR", "sr@Cyrl", "sr@latin"]


@pytest.mark.parametrize(
    "wanted, chosen",
    [
        (["zh_TW", "de_DE"], "zh_TW"),
        (["de-ch"], "de_CH"),
        (["de-AT"], "de_DE"),
        (["de"], "de_DE"),
        (["en_GB", "de_DE"], "en_US"),
        (["fr", "pt-BR", "en"], "pt_BR"),
        (["zh"], "zh_CN"),
        (["zh-SG"], "zh_CN"),
        (["zh-HK"], "zh_TW"),
        (["zh-Hant"], "zh_TW"),
        (["zh-Hant-MO"], "zh_TW"),
        (["sr-Latn"], "sr@latin"),
        (["sr"], "sr@Cyrl"),
        ([False, None, "", "*", "x", "12", "%s", "_", "en-"], None),
        (["fr_FR"], None),
        ([], None),
    ],
)
def test_choose_language(wanted, chosen):
    assert choose_language(wanted, SPOKEN) == chosen


def test_a_chinese_reader_gets_the_chinese_there_is():
    assert choose_language(["zh-TW", "en"], ["en_US", "zh_CN"]) == "zh_CN"
    assert choose_language(["de"], []) is None


def test_sentences_are_joined_as_the_language_writes_them():
    assert join_sentences("de_DE", ("Ja.", "", None, "Nein.")) == "Ja. Nein."
    assert join_sentences("zh_CN", ("是。", "否。")) == "是。否。"
    assert join_sentences(None, ("Yes.", "No.")) == "Yes. No."
