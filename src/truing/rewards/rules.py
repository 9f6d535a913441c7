r"""Rewards by rule: functions of the response and its row alone.

To add one, write a function of an `Item` with keyword-only options and add a row to `RULES`: the signature
is the schema of its options, so limits on them are part of their annotations. A rule gives a number, or
`Failed` where the row or the sampler leaves out what it needs. It never raises because of what a response
says, and takes about a second of CPU time at most. Options that make no sense together raise ConfigError.

A response without a readable answer is wrong and earns 0, as in TRL's `accuracy_reward`; a row without a
readable reference has no reward, whatever the response says.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import regex
from pydantic import AfterValidator, Field

from truing.core.errors import ConfigError
from truing.rewards.reference import PLACES
from truing.rewards.types import Failed, Item
from truing.text.answers import final_answer, find_number, folded, normalised, spoken
from truing.text.json_schema import BadSchemaError, matches_schema
from truing.text.maths import close, formula, same
from truing.text.maths_text import UnreadableError

PATTERN_SECONDS = 1.0  # of CPU time

RewardRule = Callable[..., float | Failed]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Tolerance = Annotated[float, Field(ge=0, lt=1)]

NO_REFERENCE = Failed(f"the row has no reference answer: none of {', '.join(PLACES)}, no response of its own")
NO_COUNT = Failed("how many tokens the response has is not known")

_HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+")
_ZH_OR_EN = re.compile(rf"([{_HAN}])|[A-Za-z]+(?:['’][A-Za-z]+)?")
_INLINE = re.compile(r"`[^`\n]*`|\${1,2}[^$]*\${1,2}|\\[A-Za-z]+")


# Rules on the row's reference


def exact_match(item: Item, *, ignore_case: bool = True) -> float | Failed:
    """Return 1 where the answer is the reference, but for width, white space and punctuation around it."""
    reference = final_answer(item.reference or "")
    if reference is None:
        return NO_REFERENCE
    answer = final_answer(item.response)
    if answer is None:
        return 0.0
    if ignore_case:
        return float(normalised(answer.text) == normalised(reference.text))
    return float(answer.text == reference.text)


def numeric(
    item: Item, *, tolerance: Tolerance = 1e-6, percent: Literal["either", "fraction"] = "either"
) -> float | Failed:
    r"""Return 1 where the response's number is the reference's.

    That is the number in \boxed{…}, after #### (GSM8K, arXiv:2110.14168) or after "the answer is", else the
    last number. `tolerance` is relative; whole numbers are compared exactly. `either` lets 50 % be 50 or 0.5.
    """
    reference = final_answer(item.reference or "")
    if reference is None:
        return NO_REFERENCE
    wanted = find_number(reference)
    if wanted is None:
        return Failed(f"the reference {reference.text[:80]!r} is no number")
    answer = final_answer(item.response)
    found = find_number(answer) if answer else None
    if found is None:
        return 0.0
    if close(found.value, wanted.value, tolerance):
        return 1.0
    if percent == "fraction" or found.percent == wanted.percent:
        return 0.0
    return float(close(found.shown, wanted.shown, tolerance))


def maths(item: Item, *, tolerance: Tolerance = 1e-6) -> float | Failed:
    """Return 1 where the response's answer equals the reference's as mathematics; see `text/maths.py`."""
    reference = final_answer(item.reference or "")
    if reference is None:
        return NO_REFERENCE
    answer = final_answer(item.response)
    try:
        return float(same(formula(answer) if answer else "", formula(reference), tolerance=tolerance))
    except UnreadableError as error:
        return Failed(f"the reference {reference.text[:80]!r} cannot be read as mathematics: {error}")


# Rules on the contents of the response


def compiles(pattern: str) -> str:
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


def matches(item: Item, *, pattern: Annotated[str, AfterValidator(compiles)]) -> float | Failed:
    """Return 1 where the regular expression is found in the response; flags are written as in `(?i)`."""
    try:
        return float(regex.search(pattern, item.response, timeout=PATTERN_SECONDS) is not None)
    except TimeoutError:
        return Failed(f"the pattern took longer than {PATTERN_SECONDS:g} s")


def keywords(
    item: Item,
    *,
    words: Sequence[str] = (),
    column: str | None = None,
    need: Literal["all", "any", "share"] = "all",
    absent: bool = False,
) -> float | Failed:
    """Return 1 where the response after thinking has all (or any) of the words, or the share of words it has.

    Case does not count. The words are those of the option, or of the row's `column`, a list or a single word.
    `absent` asks that the response has none of them. These are `keywords:existence` and
    `keywords:forbidden_words` of IFEval, arXiv:2311.07911.
    """
    if bool(words) == bool(column):
        raise ConfigError("the reward `keywords` takes either words or the column that holds them")
    asked = item.columns.get(column) if column else words
    asked = [asked] if isinstance(asked, str) else asked
    if not isinstance(asked, list | tuple) or not asked or not all(isinstance(word, str) for word in asked):
        return Failed(f"the row's column {column!r} holds no words")
    text = folded(spoken(item.response) or "").casefold()
    found = [(folded(word).casefold() in text) != absent for word in asked]
    return float({"all": min, "any": max}[need](found)) if need != "share" else sum(found) / len(found)


def tags(
    item: Item,
    *,
    names: Annotated[Sequence[str], Field(min_length=1)] = ("think", "answer"),
    opened: bool = False,
    partial: bool = False,
) -> float:
    """Return 1 where the response is `<think>…</think><answer>…</answer>` and nothing else, each tag once.

    `opened` is for templates that write the first tag before the response. `partial` returns the share of
    tags that stand exactly once. DeepSeek-R1's format reward, arXiv:2501.12948 section 2.2.2.
    """
    wanted = [tag for name in names for tag in (f"<{name}>", f"</{name}>")]
    text = (wanted[0] if opened else "") + item.response.strip()
    once = [text.count(tag) == 1 for tag in wanted]
    if partial:
        return sum(once) / len(wanted)
    places = [text.find(tag) for tag in wanted]
    gaps = [text[places[i] + len(wanted[i]) : places[i + 1]] for i in range(1, len(wanted) - 1, 2)]
    bounded = text.startswith(wanted[0]) and text.endswith(wanted[-1])
    return float(all(once) and bounded and places == sorted(places) and not "".join(gaps).strip())


def json_schema(
    item: Item, *, schema: dict[str, Any] | None = None, column: str | None = None
) -> float | Failed:
    """Return 1 where the response is JSON, alone or in one ``` fence, and the schema allows it.

    The schema is that of the option, or of the row's `column` as an object or as text. Without a schema any
    JSON earns 1. Schemas need the package jsonschema; remote references are not followed, and `pattern` in a
    schema is a Python expression, without a limit on its time.
    """
    if schema is not None and column is not None:
        raise ConfigError("the reward `json_schema` takes a schema or the column that holds it, not both")
    wanted = item.columns.get(column) if column else schema
    try:
        if column and wanted is None:
            raise BadSchemaError("a schema is an object, this is NoneType")
        return float(matches_schema(spoken(item.response) or "", wanted))
    except BadSchemaError as error:
        if column is None:
            raise ConfigError(f"the reward `json_schema`: {error}") from error
        return Failed(f"the row's column {column!r}: {error}")


# Rules on the form of the response


def language(item: Item, *, language: Literal["prompt", "zh", "en"] = "prompt") -> float:
    """Return the share of the response's words that are of the language: Chinese characters, or Latin words.

    Code and formulas are left out; a response without words has the right language. `prompt` is the language
    of the last user turn. The language consistency reward of DeepSeek-R1, arXiv:2501.12948 section 2.3.2.
    """
    found = _zh_and_en(item.response)
    if language == "prompt":
        asked = next((turn.content for turn in reversed(item.prompt) if turn.role == "user"), "")
        zh, en = _zh_and_en(asked)
        language = "zh" if zh > en else "en"
    total = sum(found)
    return found[language == "en"] / total if total else 1.0


def _zh_and_en(text: str) -> tuple[int, int]:
    """Count the Chinese characters and the words in Latin letters outside code and formulas."""
    prose = _INLINE.sub(" ", " ".join(text.split("```")[::2]))
    zh = [bool(match[1]) for match in _ZH_OR_EN.finditer(prose)]
    return sum(zh), len(zh) - sum(zh)


def repetition(
    item: Item, *, ngram_size: Positive = 3, max_penalty: Annotated[float, Field(le=0)] = -1.0
) -> float:
    """Return `max_penalty` times the share of n-grams that occur earlier in the response.

    The n-grams are of words, and of single Chinese characters. After arXiv:2502.03373, appendix, whose
    penalty is per token; per response as in open-r1.
    """
    words = _WORD.findall(item.response.casefold())
    ngrams = list(zip(*(words[start:] for start in range(ngram_size)), strict=False))
    again = len(ngrams) - len(set(ngrams))
    return max_penalty * again / len(ngrams) if again else 0.0


def length(
    item: Item,
    *,
    high: Positive,
    low: NotNegative = 0,
    margin: NotNegative = 0,
    unit: Literal["tokens", "words"] = "tokens",
) -> float | Failed:
    """Return 1 where the response is `low` to `high` long, falling to 0 within `margin` outside of that.

    Words are those of `repetition`.
    """
    if low > high:
        raise ConfigError(f"the reward `length` has low {low} above high {high}")
    size = len(_WORD.findall(item.response)) if unit == "words" else item.tokens
    if size is None:
        return NO_COUNT
    outside = max(low - size, size - high, 0)
    return max(0.0, 1 - outside / (margin + 1))


def soft_overlong(
    item: Item, *, max_length: Positive = 20480, cache_length: Positive = 4096
) -> float | Failed:
    """Return 0 up to `max_length - cache_length` tokens, falling to -1 at `max_length`, and -1 beyond it.

    The soft overlong punishment of DAPO, arXiv:2503.14476 eq. 13, with its L_max and L_cache.
    """
    if cache_length > max_length:
        raise ConfigError(f"the reward `soft_overlong` has cache_length {cache_length} above {max_length}")
    if item.tokens is None:
        return NO_COUNT
    room = max_length - cache_length - item.tokens
    return min(max(room / cache_length, -1.0), 0.0)


RULES: dict[str, RewardRule] = {
    "exact_match": exact_match,
    "numeric": numeric,
    "math": maths,
    "regex": matches,
    "keywords": keywords,
    "json_schema": json_schema,
    "format": tags,
    "language": language,
    "repetition": repetition,
    "length": length,
    "soft_overlong": soft_overlong,
}
