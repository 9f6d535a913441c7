"""Has a policy unlearned to go on? Repetition in one response, by rule, for any language.

    "the fund grew, the fund grew, the fund grew"    repeated_words(text, n=3) = 4/7
    "资金规模超过了两千亿两千零二00000000000000"          longest_digit_run(text) = 14

Each function takes one text and knows no model. A text too short to repeat anything scores 0. To add a
measure, write a function of one text with its unit and source in the docstring, and an example to
`tests/evals/test_degeneration.py`.
"""

import re
from collections.abc import Sequence

_WORD = re.compile(r"\d+(?:[.,]\d+)*|\w+")
_DIGITS = re.compile(r"\d+")


def repeated_words(text: str, n: int = 4) -> float:
    """Share of word n-grams that the text has had before: 0 for none, towards 1 for a loop. Unit: share.

        1 - |distinct n-grams| / |n-grams|

    Case and punctuation do not count, and a figure such as 1,204.5 is one word. For languages that put
    no spaces between words use `repeated_characters`.
    Source: seq-rep-n of Welleck et al. 2019, arXiv:1908.04319 section 6, which takes n = 4.
    """
    return _repeated(_WORD.findall(text.lower()), n)


def repeated_characters(text: str, n: int = 10) -> float:
    """`repeated_words` with characters for words, spaces left out: for Chinese, and for loops inside a word.

    Unit: share. Ten characters are five or six words of Chinese; fewer recur in sound text.
    """
    return _repeated("".join(text.lower().split()), n)


def longest_digit_run(text: str) -> int:
    """Most digits in a row, of any script that has decimal digits. Unit: characters.

    A separator ends a run, so that a sound 12,345,678 has 3. The failure that this finds is
    "a fund of 200000000000000000000".
    """
    return max(map(len, _DIGITS.findall(text)), default=0)


def _repeated(parts: Sequence[str], n: int) -> float:
    if n < 1:
        raise ValueError(f"n is {n}: an n-gram has at least one part")
    count = len(parts) - n + 1
    if count < 1:
        return 0.0
    return 1 - len({tuple(parts[i : i + n]) for i in range(count)}) / count
