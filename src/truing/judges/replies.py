"""The reply of a server: its text, what it used, which model it names, and how sure the tokens were.

A text with log-probabilities is a `WeighedText`; `odds.py` reads them. Of all tokens only those are kept that
could be a value: a letter, a number, yes, no.
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from truing.judges.budget import Used
from truing.judges.opinions import NoVerdictError, PassingError

LIMIT = 1_000_000  # bytes of a reply, and as many for each alternative that is asked for beside a token
MOST_TOKENS = 200  # of those that could be a value, the last
MOST_USED = 10**9  # tokens of one request; a server that reports more does not count
ROUNDING = 0.1  # a log-probability may lie this far above 0
NAMED = 100  # characters of the name of a model
CUT = "the answer is cut off at max_tokens"
ENDS = " \t\n\r*`_\"'“”「」[](){}【】:：.。,"
COULD_BE = re.compile(r"[A-Za-z]{1,3}|[0-9]{1,3}|[平是否满不]\w?")


class WeighedToken(NamedTuple):
    """A token of an answer that could be a value."""

    start: int  # characters before it
    text: str
    top: Mapping[str, float]  # log-probabilities of the alternatives at its place, its own included


class WeighedText(str):
    """A text with the tokens of it that could be a value; none where the server gave no log-probabilities."""

    tokens: Sequence[WeighedToken] = ()
    cut: bool = False  # whether it ended at the limit of tokens


def weighed(text: str, tokens: Sequence[WeighedToken], cut: bool = False) -> WeighedText:
    made = WeighedText(text)
    made.tokens, made.cut = tokens, cut
    return made


@dataclass(frozen=True, slots=True)
class ServerReply:
    """A chat completion that came to its end."""

    text: WeighedText
    used: Used | None  # None: the server does not say
    served: str  # the model by the server's name for it, and its build

    @property
    def note(self) -> str:
        """Return what the cache keeps beside the text."""
        return json.dumps({"served": self.served, "tokens": list(self.text.tokens), "cut": self.text.cut})


def text_with_note(text: str, note: str) -> tuple[WeighedText, str]:
    """Return a text from the cache with its tokens, and the model that gave it, "" where that is unknown."""
    kept = json.loads(note) if note else {}
    tokens = [WeighedToken(*each) for each in kept.get("tokens", ())]
    return weighed(text, tokens, kept.get("cut", False)), kept.get("served", "")


class _Turn(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Turn
    finish_reason: str | None = None
    logprobs: Any = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: Any = None
    model: Any = None
    system_fingerprint: Any = None


def read_reply(body: bytes, whole: bool = True) -> ServerReply:
    """Read a chat completion. Raises NoVerdictError where it is none, or withheld by the server.

    With `whole` an answer that is cut off, refuses or is empty raises it too; without, that is the text.
    """
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError:
        raise PassingError(f"the reply is no chat completion: {body[:60]!r}") from None
    choice, used = completion.choices[0], _used(completion.usage)
    if fault := _fault(choice, whole):
        raise UnusableReplyError(fault, used)
    text = choice.message.content or choice.message.refusal or ""
    names = (completion.model, completion.system_fingerprint)
    named = [name[:NAMED] for name in names if isinstance(name, str) and name]
    made = weighed(text, _tokens(choice.logprobs, text), choice.finish_reason == "length")
    return ServerReply(made, used, " ".join(named))


class UnusableReplyError(NoVerdictError):
    """A completion without a whole answer, which was paid for."""

    def __init__(self, reason: str, used: Used | None) -> None:
        super().__init__(reason)
        self.used = used


def _fault(choice: _Choice, whole: bool) -> str:
    if choice.finish_reason == "content_filter":
        return "the answer is withheld by the server's filter"
    if not whole:
        return ""
    if choice.message.refusal:
        return f"the model refuses: {choice.message.refusal[:100]!r}"
    if choice.finish_reason == "length":  # a number at its end may lack digits
        return CUT
    return "" if (choice.message.content or "").strip() else "the answer is empty"


def _used(usage: Any) -> Used | None:
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    return (
        Used(prompt, completion)
        if 0 <= min(prompt, completion) <= max(prompt, completion) <= MOST_USED
        else None
    )


def _tokens(logprobs: Any, text: str) -> list[WeighedToken]:
    """Return the tokens that could be a value; none where the server's tokens do not spell its text."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    try:
        spelled = list(_spelled(content or ()))
        if "".join(word for word, _ in spelled) != text:
            return []
        found, start = [], 0
        for word, item in spelled:
            if COULD_BE.fullmatch(word.strip(ENDS)):
                top = dict(map(_alternative, item.get("top_logprobs") or ()))
                found.append(WeighedToken(start, word, top | dict([_alternative(item)])))
            start += len(word)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):  # another server's form
        return []
    return found[-MOST_TOKENS:]


def _alternative(item: Any) -> tuple[str, float]:
    """Return a token and its log-probability. Raises ValueError for a number that is none."""
    logprob = float(item["logprob"])
    if not logprob <= ROUNDING:  # nan too
        raise ValueError(f"{logprob} is no log-probability")
    return str(item["token"]), min(logprob, 0.0)


def _spelled(content: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield every token with its characters; one that ends within a character leaves that to the next."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for item in content:
        spelled = item.get("bytes")
        if spelled and not isinstance(spelled, list):
            raise TypeError("the bytes of a token are a list of numbers")
        yield decoder.decode(bytes(spelled)) if spelled else item["token"], item
