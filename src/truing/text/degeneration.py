"""Rules for any language that find faults in a response, such as loops: has a policy unlearned to speak?

    "the fund grew, the fund grew, the fund grew"    repeated_words(text, n=3) = 4/7
    "资金规模超过了两千亿两千零二00000000000000"          longest_digit_run(text) = 14
    degenerate("the fund grew, " * 40, cut=True)     (Fault.CUT, Fault.WORDS, Fault.CHARACTERS)

Each measure takes one text and knows no model. A text too short to repeat anything scores 0. To add one,
write a function of one text with its unit and source in the docstring, a member of `Fault` with its row in
`degenerate`, and an example to `tests/text/test_degeneration.py`.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

from truing.text.units import scripts

# From here on a response is broken. Of 1,205 that four public sets in Chinese and English call good, tables
# and lists among them, one repeats so much, and six that switch the language do so indeed.
WORDS = 0.4  # share, of `repeated_words`
CHARACTERS = 0.55  # share, of `repeated_characters`
DIGITS = 20  # characters, of `longest_digit_run`
SWITCHED = 0.5  # share, of `foreign_share`
TAIL = 400  # characters at the end that are measured by themselves, because that is where loops are

_WORD = re.compile(r"\d+(?:[.,]\d+)*|\w+")
_DIGITS = re.compile(r"\d+")
_NAMES_LANGUAGE = re.compile(
    r"translat|\b(?:chinese|mandarin|english|french|german|spanish|japanese|korean|russian|italian|portuguese"
    r"|arabic|hindi|latin)\b|译|[中英法德日韩俄外]文|[英法德日韩俄汉]语|西班牙语|阿拉伯语|葡萄牙语|意大利语|拉丁|普通话",
    re.IGNORECASE,
)


def repeated_words(text: str, n: int = 4) -> float:
    """Return the share of word n-grams that the text has had before: 0 for none, towards 1 for a loop.

        1 - |distinct n-grams| / |n-grams|

    Unit: share. Case and punctuation do not count, and a figure such as 1,204.5 is one word. For languages
    without spaces between words use `repeated_characters`.
    Source: seq-rep-n of Welleck et al. 2019, arXiv:1908.04319 section 6, which takes n = 4.
    """
    return _repeated(_WORD.findall(text.lower()), n)


def repeated_characters(text: str, n: int = 10) -> float:
    """Return the share of repeated character n-grams without spaces: for Chinese, and loops inside a word.

    Unit: share. Ten characters are five or six words of Chinese; fewer recur in sound text.
    """
    return _repeated("".join(text.lower().split()), n)


def longest_digit_run(text: str) -> int:
    """Count the most digits in a row, of any script that has decimal digits. Unit: characters.

    A separator ends a run, so that a sound 12,345,678 has 3. The failure that this finds is
    "a fund of 200000000000000000000".
    """
    return max(map(len, _DIGITS.findall(text)), default=0)


def foreign_share(prompt: str, text: str) -> float | None:
    """Return the share of a response's words whose script (Chinese, Latin, other) its prompt lacks.

    Unit: share; a Chinese character is a word. Code does not count. None where there is nothing to compare,
    or the prompt names a language or asks for a translation.
    """
    asked, said = scripts(_prose(prompt)), scripts(_prose(text))
    if _NAMES_LANGUAGE.search(prompt) or not asked or not said:
        return None
    return sum(count for script, count in said.items() if not asked[script]) / said.total()


class Fault(StrEnum):
    """The faults of a response."""

    EMPTY = "empty"  # nothing but white space
    CUT = "cut"  # ended by the limit on its length
    WORDS = "repeated_words"
    CHARACTERS = "repeated_characters"
    DIGITS = "digit_run"
    LANGUAGE = "language"  # in another script than its prompt


def degenerate(text: str, *, prompt: str = "", cut: bool = False) -> tuple[Fault, ...]:
    """List the faults of a response, by the thresholds above; empty for a sound response.

    `cut` says that the limit on its length ended the response (`Finish.LENGTH`). The limit is at fault as
    often as the policy, so count this fault apart. Without a `prompt` the language is not judged.
    """
    tail = text[-TAIL:]
    found = {
        Fault.EMPTY: not text.strip(),
        Fault.CUT: cut,
        Fault.WORDS: max(repeated_words(text), repeated_words(tail)) >= WORDS,
        Fault.CHARACTERS: max(repeated_characters(text), repeated_characters(tail)) >= CHARACTERS,
        Fault.DIGITS: longest_digit_run(text) >= DIGITS,
        Fault.LANGUAGE: (foreign_share(prompt, text) or 0.0) >= SWITCHED,
    }
    return tuple(fault for fault, there in found.items() if there)


def _prose(text: str) -> str:
    """Remove code, which is in Latin letters in any language."""
    return re.sub(r"`[^`\n]*`", " ", " ".join(text.split("```")[::2]))


def _repeated(parts: Sequence[str], n: int) -> float:
    if n < 1:
        raise ValueError(f"n is {n}: an n-gram has at least one part")
    count = len(parts) - n + 1
    if count < 1:
        return 0.0
    return 1 - len({tuple(parts[i : i + n]) for i in range(count)}) / count
