"""Numbers that describe a set of records before anybody trains on it."""

import difflib
import statistics
from collections import Counter
from collections.abc import Sequence

from truing.core.records import Kind, Message, Record

NEAR = 0.95  # difflib ratio above which the two sides of a pair count as nearly identical
COMPARED = 1000  # characters of each side that are compared
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def stats(records: Sequence[Record]) -> dict:
    """Count records by kind, turns and language; measure lengths in characters; describe pairs.

    The result is JSON. Numbers without data are None. Pairs are the best and the worst response
    of a preference or a ranking.
    """
    pairs = [record for record in records if record.kind in (Kind.PREFERENCE, Kind.RANKING)]
    chosen = [len(record.chosen.text) for record in pairs]
    rejected = [len(record.rejected.text) for record in pairs]
    differences = [a - b for a, b in zip(chosen, rejected, strict=True)]
    prompts = Counter(record.prompt for record in records if record.prompt)
    near = [near_identical(record.chosen.text, record.rejected.text) for record in pairs]
    single = [record.chosen for record in records if len(record.responses) == 1]
    return {
        "records": len(records),
        "kinds": dict(Counter(str(record.kind) for record in records)),
        "turns": {str(n): count for n, count in sorted(Counter(map(_turns, records)).items())},
        "languages": dict(Counter(language(_text(record)) for record in records)),
        "labels": dict(Counter(str(each.label).lower() for each in single if each.label is not None)),
        "prompt_chars": quantiles([_length(record.prompt) for record in records]),
        "response_chars": quantiles([len(each.text) for each in single]),
        "chosen_chars": quantiles(chosen),
        "rejected_chars": quantiles(rejected),
        "chosen_minus_rejected_mean": statistics.fmean(differences) if pairs else None,
        "chosen_longer_share": sum(each > 0 for each in differences) / len(pairs) if pairs else None,
        "rubrics": sum(bool(record.rubric) for record in records),
        "soft_labels": sum(record.probability not in (None, 1) for record in pairs),
        "near_identical_share": sum(near) / len(pairs) if pairs else None,
        "duplicate_prompts": prompts.total() - len(prompts),
    }


def language(text: str) -> str:
    """Return zh, en or other, by Unicode script: a Chinese character weighs as much as a word of letters."""
    han = sum("\u3400" <= character <= "\u9fff" for character in text)
    kana_or_hangul = sum(
        "\u3040" <= character <= "\u30ff" or "\uac00" <= character <= "\ud7af" for character in text
    )
    latin_words = sum(word[0].isascii() and word[0].isalpha() for word in text.split())
    letters = sum(character.isalpha() for character in text)
    ascii_letters = sum(character.isascii() and character.isalpha() for character in text)
    if not letters or kana_or_hangul > han:
        return "other"
    if han and han >= latin_words:
        return "zh"
    return "en" if ascii_letters + han > 0.8 * letters else "other"


def quantiles(values: Sequence[int]) -> dict[str, int] | None:
    """Return smallest and largest value and the 5, 25, 50, 75 and 95 % points, each a value that occurs."""
    if not values:
        return None
    ordered = sorted(values)
    points = {f"p{round(100 * q)}": ordered[min(int(q * len(ordered)), len(ordered) - 1)] for q in QUANTILES}
    return {"min": ordered[0], **points, "max": ordered[-1]}


def near_identical(chosen: str, rejected: str) -> bool:
    """Tell whether two texts are so alike that DPO fails: difflib ratio of their heads above 0.95."""
    matcher = difflib.SequenceMatcher(None, chosen[:COMPARED], rejected[:COMPARED], autojunk=False)
    longer, shorter = sorted((len(chosen), len(rejected)), reverse=True)
    return (
        2 * shorter >= NEAR * (shorter + longer)
        and matcher.real_quick_ratio() > NEAR
        and matcher.quick_ratio() > NEAR
        and matcher.ratio() > NEAR
    )


def _turns(record: Record) -> int:
    return len(record.prompt) + (len(record.chosen.turns) if record.responses else 0)


def _length(turns: Sequence[Message]) -> int:
    return sum(len(turn.content) for turn in turns)


def _text(record: Record) -> str:
    answers = [record.chosen.text] if record.responses else []
    return " ".join([turn.content for turn in record.prompt] + answers)[:2000]
