"""Untrusted text made safe to show: escapes gone, hidden direction marks visible, length bounded.

HTML escaping is not done here: the template's autoescape does it.
"""

import re

from truing.core.words import t

SHOWN_CHARACTERS = 20_000

_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS: titles, links
    r"|\x1b[ -/]*[0-~]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7af]")


def plain(text: str) -> str:
    """Return `text` without terminal escapes and control characters; bidi controls become ⟨U+202E⟩."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _CONTROL.sub("", _ANSI.sub("", text))
    text = _BIDI.sub(lambda match: f"\u27e8U+{ord(match[0]):04X}\u27e9", text)
    return _SURROGATE.sub("\ufffd", text)


def clipped(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Return the first `limit` characters, with a note of the number left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n\n" + t("[… {n:,} more characters not shown]", n=len(text) - limit)


def language(text: str) -> str:
    """Return the `lang` attribute for a text, by script: "zh", "ja", "ko", or "" for unknown."""
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    return "zh" if _HAN.search(text) else ""
