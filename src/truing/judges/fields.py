"""The fields that judges are asked for: a verdict on a pair, a score on a scale, a yes or no."""

import re
from enum import StrEnum
from functools import lru_cache

from truing.judges.opinions import NoVerdictError
from truing.judges.reading import StatedField

PLACE = re.compile(
    r"(?:the\s+)?(?:response|answer|assistant|option|candidate|回答|回复|选项|答案)?\s*([AB])", re.IGNORECASE
)
EVEN = re.compile(r"(?:a\s+)?tie|平局|平手", re.IGNORECASE)
YES = re.compile(r"yes|true|met|passed|是|满足|符合|通过|✓|✅", re.IGNORECASE)
NO = re.compile(r"no|false|not met|unmet|failed|否|不满足|不符合|不通过|✗|❌", re.IGNORECASE)
NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?"


class Verdict(StrEnum):
    """The better of two responses, named by the place where the judge saw it."""

    FIRST = "A"
    SECOND = "B"
    TIE = "TIE"


def as_verdict(text: str) -> Verdict | None:
    if found := PLACE.fullmatch(text):
        return Verdict(found[1].upper())
    return Verdict.TIE if EVEN.fullmatch(text) else None


def as_yes(text: str) -> bool | None:
    return True if YES.fullmatch(text) else False if NO.fullmatch(text) else None


VERDICT = StatedField(
    "verdict",
    "verdict|结论|判定|裁决|裁定|判决|评判结果|评判",
    as_verdict,
    alone=r"(?:so,? |thus,? |therefore,? )?the (?:better (?:response|answer|one)|(?:final )?answer) is:?",
)


@lru_cache(maxsize=64)
def score_field(name: str, label: str, low: float, high: float) -> StatedField[float]:
    """Return a field for a number from `low` to `high`; `7/10` counts where 10 is the highest score."""
    top = re.escape(f"{high:g}")
    number = re.compile(
        rf"({NUMBER})\s*(?:分|points?)?(?:\s*/\s*{top}(?:\.0+)?\s*分?|\s*out of\s*{top})?"
        rf"(?:\s*\(满分\s*{top}\s*分?\))?",
        re.IGNORECASE,
    )

    def value(text: str) -> float | None:
        if text.lower() in ("nan", "infinity", "-infinity"):
            raise NoVerdictError(f"the {name} {text} is not between {low:g} and {high:g}")
        found = number.fullmatch(text)
        if found is None:
            return None
        score = float(found[1])
        if not low <= score <= high:
            raise NoVerdictError(f"the {name} {score:g} is not between {low:g} and {high:g}")
        return score

    least = re.escape(f"{low:g}")
    aside = rf"\((?:{least}\s*(?:-|–|—|~|to|到|至)\s*|out of\s*|满分\s*(?:为|是)?\s*)?{top}\s*分?\)"
    return StatedField(name, label, value, aside=aside, alone=r"(?:the )?(?:final )?answer is:?")


SCORE_LABEL = "score|rating|评分|得分|分数|打分|总分"
