# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Guesses the encoding of an uploaded list, and decodes its bytes.

Decoding always takes the vendor's superset of a standard (CP932 for Shift_JIS, for example),
because Excel writes the superset. A byte that fits no codec becomes U+FFFD and does not stop the
reading.
"""

import codecs
import re
from collections.abc import Callable

import chardet

REPLACED = "\ufffd"
# stored key -> Python's codecs; the later ones for characters that the first lacks
_CODECS: dict[str, tuple[str, ...]] = {
    "utf-8": ("utf-8-sig",),
    "utf-16": ("utf-16",),
    "utf-16-le": ("utf-16-le",),
    "utf-16-be": ("utf-16-be",),
    "gb18030": ("gb18030",),
    "big5": ("cp950", "big5hkscs"),
    "shift_jis": ("cp932", "shift_jis_2004"),
    "euc-jp": ("euc_jp", "euc_jis_2004"),
    "iso-2022-jp": ("iso2022_jp_ext",),
    "euc-kr": ("cp949",),
    "windows-1252": ("cp1252",),
    "windows-1250": ("cp1250",),
    "windows-1251": ("cp1251",),
    "koi8-u": ("koi8_u", "koi8_r"),
    "windows-1253": ("cp1253",),
    "windows-1254": ("cp1254",),
    "windows-1255": ("cp1255",),
    "windows-1256": ("cp1256",),
    "windows-1257": ("cp1257",),
    "windows-1258": ("cp1258",),
    "windows-874": ("cp874",),
    "iso-8859-2": ("iso8859_2",),
    "iso-8859-15": ("iso8859_15",),
    "macintosh": ("mac_roman",),
    "ibm850": ("cp850",),
}
ENCODINGS = tuple(_CODECS)
# chardet's name, in lower case and without punctuation -> key of _CODECS
_FOUND = {
    "ascii": "utf-8", "utf8": "utf-8", "utf8sig": "utf-8",
    "gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "hzgb2312": "gb18030",
    "euctw": "big5", "cp950": "big5", "big5hkscs": "big5",
    "cp932": "shift_jis", "shiftjis2004": "shift_jis", "shiftjisx0213": "shift_jis",
    "eucjis2004": "euc-jp", "eucjisx0213": "euc-jp",
    "cp949": "euc-kr", "uhc": "euc-kr", "johab": "euc-kr",
    "iso88591": "windows-1252", "cp1252": "windows-1252", "cp437": "ibm850", "cp850": "ibm850",
    "iso885916": "windows-1250", "cp1250": "windows-1250",
    "iso88595": "windows-1251", "cp1251": "windows-1251", "koi8r": "koi8-u",
    "iso88597": "windows-1253", "cp1253": "windows-1253",
    "iso88599": "windows-1254", "cp1254": "windows-1254",
    "iso88598": "windows-1255", "cp1255": "windows-1255", "iso88598i": "windows-1255",
    "iso88596": "windows-1256", "cp1256": "windows-1256",
    "iso88594": "windows-1257", "iso885910": "windows-1257", "iso885913": "windows-1257",
    "cp1257": "windows-1257", "cp1258": "windows-1258",
    "tis620": "windows-874", "iso885911": "windows-874", "cp874": "windows-874",
    "macroman": "macintosh",
} | {re.sub(r"[^a-z0-9]", "", name): name for name in _CODECS}  # fmt: skip
# Language of the user (two letters, or a whole code) -> likely encoding
_LIKELY = {
    "ja": "shift_jis", "ko": "euc-kr", "zh": "gb18030", "zh_TW": "big5", "zh_HK": "big5",
    **dict.fromkeys(("cs", "pl", "hu", "sk", "sl", "hr", "bs", "ro", "sq"), "windows-1250"),
    **dict.fromkeys(("ru", "uk", "bg", "sr", "mk", "be"), "windows-1251"),
    "el": "windows-1253", "tr": "windows-1254", "az": "windows-1254", "he": "windows-1255",
    **dict.fromkeys(("ar", "fa", "ur"), "windows-1256"),
    **dict.fromkeys(("et", "lv", "lt"), "windows-1257"),
    "vi": "windows-1258", "th": "windows-874",
}  # fmt: skip
# Always candidates; of two with the same score the earlier wins. Others only if chardet names them.
_GUESSES = (
    "windows-1252", "shift_jis", "gb18030", "euc-kr", "big5", "windows-1250", "windows-1251",
    "windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-874",
    "koi8-u", "euc-jp", "iso-8859-2",
)  # fmt: skip
_SAMPLE = 8192  # how many bytes of lines with non-ASCII characters are compared


def codec(encoding: str) -> tuple[str, str]:
    """Return Python's names of (codec, error handler) for an encoding.

    :param encoding: one of ENCODINGS
    """
    return _CODECS[encoding][0], f"directmail.{encoding}"


def decode(data: bytes, encoding: str) -> str:
    """Return the text of some bytes, without a character that is cut off at the end."""
    name, errors = codec(encoding)
    return codecs.getincrementaldecoder(name)(errors=errors).decode(data)


def guess_encoding(head: bytes, language: str = "") -> str | None:
    """Return the most likely encoding of some bytes, one of ENCODINGS.

    :param head: from the beginning of a file
    :param language: the user's, such as "ja_JP"; decides between encodings that fit equally
    :return: None for bytes that are not text
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        return _guess_utf16(head)
    if re.search(rb"\x1b\$[@B]", head):
        return "iso-2022-jp"
    if _is_utf8(head):
        return "utf-8"
    sample = b"".join(line for line in head.splitlines(True) if not line.isascii())[:_SAMPLE]
    named = [_FOUND.get(name) for name in _ask_chardet(head)]
    likely = _LIKELY.get(language) or _LIKELY.get(language[:2], "windows-1252")
    candidates = list(dict.fromkeys((*_GUESSES, *(n for n in named if n and n[:3] != "utf"))))

    def rank(candidate: str) -> float:
        score = _count_odd(sample, candidate) - 0.2 * (candidate == likely)
        if candidate in named:
            score -= 0.15 if candidate == named[0] else 0.05
        return score + 0.001 * candidates.index(candidate)

    return min(candidates, key=rank)


def _guess_utf16(head: bytes) -> str | None:
    """Detect UTF-16 without its mark: the zero bytes of ASCII letters show the byte order."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > 0.2 * len(head) and even * 20 < odd:
        return "utf-16-le"
    if even > 0.2 * len(head) and odd * 20 < even:
        return "utf-16-be"
    return None


def _is_utf8(head: bytes) -> bool:
    """Tell whether bytes are UTF-8: the last character may be cut off, one in ten damaged."""
    text = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode(head)
    damaged = text.count(REPLACED) - head.count(REPLACED.encode())
    return not damaged or damaged * 10 <= sum(char > "\x7f" for char in text) - damaged


def _ask_chardet(head: bytes) -> list[str]:
    found = chardet.detect_all(head, ignore_threshold=True)
    names = [entry["encoding"] or "" for entry in found]
    return [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names[:5]]


# === HOW PLAUSIBLE A DECODED TEXT IS === #

_SCRIPTS = (
    ("latin", "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"), ("greek", "Ͱ-Ͼ"), ("cyrillic", "Ѐ-ԯ"), ("hebrew", "֐-״"),
    ("arabic", "؀-ۿ\u200c"), ("thai", "ก-๛"), ("east", "ぁ-ヿ㐀-鿿々가-힣｡-ﾟ"),
)  # fmt: skip
_SCRIPT = re.compile("|".join(f"(?P<{name}>[{chars}])" for name, chars in _SCRIPTS))
_COMMON_SIGNS = frozenset(
    "“”„‘’‚–—…€№™«»·•°§¿¡₪\xa0、。・（），；：！？「」『』【】《》～￥＠㈱㈲①②③④⑤　"
)
# Letters that a code page has but its languages hardly use.
_RARE = {
    "windows-1252": frozenset("ÐðÞþÝýŠšŽžŸƒªºµ"),
    "windows-1254": frozenset("ÃãÐðŸƒªºµÕõ"),
    "windows-1250": frozenset("ĹĺŔŕ"),
}
# Smaller codecs that hold only the characters in daily use.
_DAILY = {"gb18030": "gb2312", "euc-kr": "euc_kr"}


def _count_odd(sample: bytes, encoding: str) -> float:
    """Return how implausible bytes are in an encoding: about 0 to 3 per non-ASCII character."""
    text = decode(sample, encoding)
    odd: float = 0
    others = 0
    before, script_before = "", ""
    for char in text:
        script = (found := _SCRIPT.match(char)) and found.lastgroup or ""
        if before and not (char.isascii() and before.isascii()):
            if script and script_before:
                odd += script != script_before
                if script == "latin" == script_before and not (char.isascii() or before.isascii()):
                    odd += 0.4  # words of accented letters only
                if before.islower() and char.isupper():
                    odd += 0.5
            elif (script and _is_odd_sign(before)) or (script_before and _is_odd_sign(char)):
                odd += 0.5
        if not char.isascii():
            others += 1
            odd += _rate(char, script, encoding)
        before, script_before = char, script
    return odd / (others or 1)


def _is_odd_sign(char: str) -> bool:
    return not char.isascii() and char not in _COMMON_SIGNS


def _rate(char: str, script: str, encoding: str) -> float:
    if char == REPLACED or "\x7f" < char < "\xa0" or "\ue000" <= char <= "\uf8ff":
        return 3
    if not script:
        return 0 if char in _COMMON_SIGNS else 0.5
    if "｡" <= char <= "ﾟ":
        return 0.25
    if char in _RARE.get(encoding, ()):
        return 0.3
    if script == "east":
        return _rate_east(char, encoding)
    return 0


def _rate_east(char: str, encoding: str) -> float:
    hangul = "가" <= char <= "힣"
    if encoding == "euc-kr" and not hangul:
        return 0.5
    try:
        lead = char.encode(_DAILY.get(encoding, _CODECS[encoding][0]))[0]
    except UnicodeEncodeError:
        return 0.3
    rare = {"gb18030": lead > 0xD7, "big5": lead > 0xC6, "shift_jis": 0x98 < lead}
    return 0.4 if rare.get(encoding) else 0


# === ERRORS === #


def _make_handler(encoding: str) -> Callable[[UnicodeError], tuple[str, int]]:
    further = _CODECS[encoding][1:]

    def handle(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        for name in further:
            for length in (2, 1, 3):
                piece = error.object[error.start : error.start + length]
                try:
                    return piece.decode(name), error.start + len(piece)
                except UnicodeDecodeError:
                    continue
        # Replace the first byte only: the second one may be a separator.
        end = error.end if encoding.startswith("utf") else error.start + 1
        return REPLACED, end

    return handle


for _encoding in _CODECS:
    codecs.register_error(f"directmail.{_encoding}", _make_handler(_encoding))
