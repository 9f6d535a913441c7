"""The table of every on-disk format of a row, each with the means to recognise it and to read it.

To add one, write `parse(row) -> Record` that raises `RowError` for a row it cannot use, and give it a
line in `FORMATS`: the keys it needs (alternatives joined by `|`) and, where two formats need the same
keys, a `shape` that tells them apart. The keys in `data/opinions.py` and `data/beside.py` are read for all
formats; responses are listed best first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from truing.config.tables import find
from truing.core.errors import UsageError
from truing.core.messages import message
from truing.core.records import Message, Record, Response, Turns
from truing.data.beside import REJECTED, SYSTEM, UNDER, asked, refuse_under, unread, with_beside
from truing.data.columns import Watched, given_of
from truing.data.fields import Row, as_label, as_list, as_number, holds, number, present, value_of, words
from truing.data.opinions import KEYS, with_opinions
from truing.data.rows import RowError, excerpt
from truing.data.turns import (
    as_messages,
    as_prompt,
    as_response,
    as_text,
    check_prompt,
    has_role,
    is_messages,
    split_first,
    split_last,
    split_pair,
    transcript,
)

PROMPT = "prompt|question|query|problem"
ANSWER = "completion|response|answer"
QUESTION = f"{PROMPT}|instruction"
SCORE = "score|helpfulness"  # the latter is HelpSteer's
LABEL = "label|kto_tag"
MESSAGES = "messages|conversations"
ALWAYS = (*SYSTEM, *UNDER, "history", "score_chosen", "score_rejected", *KEYS)
OPINIONS = "chosen|rejected|rejected_response|rejected_messages|responses|completions|label|kto_tag"


@dataclass(frozen=True)
class Format:
    """One way to write a row."""

    name: str
    title: str
    needs: tuple[str, ...]  # keys that must be present; "a|b" means one of them
    parse: Callable[[Row], Record]
    shape: Callable[[Row], bool] = lambda row: True

    def missing(self, row: Row) -> list[str]:
        """List the needed keys that a row lacks, each with its alternatives."""
        return [need for need in self.needs if not present(row, need)]

    def matches(self, row: Row) -> bool:
        return not self.missing(row) and self.shape(row)

    def read(self, row: Row, **where: Any) -> Record:
        """Read the row as a record; `where` are its place, source and number. Raises `RowError`."""
        columns, row = row, Watched(row)
        missing = self.missing(row)
        if missing:
            keys = excerpt(", ".join(row))
            code = f"missing-{missing[0].partition('|')[0].replace('_', '-')}"
            raise RowError(
                code, message("no `{key}` among the keys {keys}", key=either(missing[0]), keys=keys)
            )
        given = given_of(row)
        record = with_beside(self.parse(row), row)
        if holds(row.get(REJECTED)) and not any(REJECTED in need for need in self.needs):
            raise unread(REJECTED, "the row has a rejected response already")
        record = with_opinions(record, row)
        return replace(record, given=given, columns=columns, unread=tuple(row.unread()), **where)


def either(need: str) -> str:
    """Write alternatives `a|b` for a sentence that quotes them."""
    return "` or `".join(need.split("|"))


def _pair(prompt: Turns, row: Row, keys: tuple[str, str] = ("chosen", "rejected")) -> Record:
    return _checked_pair(prompt, *(as_response(words(row[key]), key) for key in keys))


def _checked_pair(prompt: Turns, chosen: Response, rejected: Response) -> Record:
    if chosen.turns == rejected.turns:
        raise RowError(
            "identical-pair", message("chosen and rejected are the same: {value}", value=excerpt(chosen.text))
        )
    return Record(prompt, (chosen, rejected))


def _ranked(prompt: Turns, responses: list[Response], worse: list[float], key: str) -> Record:
    """Make a record of responses in the order of `worse`, smallest first; equal values share a rank."""
    if len(responses) == len(worse) == 1 and responses[0].score is not None:
        return Record(prompt, tuple(responses))
    if len(responses) < 2 or len(worse) != len(responses):
        raise RowError(
            f"{key}-length",
            message("{n} responses and {of} values in `{key}`", n=len(responses), of=len(worse), key=key),
        )
    levels = sorted(set(worse))
    if len(levels) == 1:
        raise RowError("tied-sort", message("all responses have the same value in `{key}`", key=key))
    ordered = sorted(zip(worse, responses, strict=True), key=lambda item: item[0])
    ranked = [replace(response, rank=levels.index(value)) for value, response in ordered]
    if len({response.turns for response in ranked}) != len(ranked):
        raise RowError("identical-pair", message("the same response stands twice in one row"))
    return Record(prompt, tuple(ranked))


def _interleaved(row: Row) -> Turns:
    """Read PaddleNLP's `src` (user) and `tgt` (assistant) as turns, in the order of speaking."""
    users, assistants = (
        [row[key]] if isinstance(row[key], str) else as_list(row, key) for key in ("src", "tgt")
    )
    if len(users) - len(assistants) not in (0, 1):
        said = message("{users} in `src` and {said} in `tgt`", users=len(users), said=len(assistants))
        raise RowError("src-tgt-length", said)
    turns = [Message("user", as_text(text, "src")) for text in users]
    for index, text in enumerate(assistants):
        turns.insert(2 * index + 1, Message("assistant", as_text(text, "tgt")))
    return tuple(turns)


def paddle_sft(row: Row) -> Record:
    prompt, response = split_first(_interleaved(row), "src/tgt")
    return Record(prompt, (response,))


def paddle_preference(row: Row) -> Record:
    turns = _interleaved({**row, "tgt": row["tgt"] or []})
    if len(turns) % 2 == 0:
        raise RowError("src-tgt-length", message("`src` and `tgt` are of one length; `src` has one more"))
    worse = [-as_number(value, "sort") for value in as_list(row, "sort")]
    if len(set(worse)) != len(worse):
        said = "`sort` {value} has a tie; every response needs its own value"
        raise RowError("tied-sort", message(said, value=excerpt(row["sort"])))
    texts = as_list(row, "response")
    responses = [as_response(text, f"response[{index}]") for index, text in enumerate(texts)]
    return _ranked(check_prompt(turns, "src/tgt"), responses, worse, "sort")


def _alpaca_prompt(row: Row) -> Turns:
    text = words(row["instruction"])
    return check_prompt((Message("user", asked(as_text(text, "instruction"), row)),), "instruction")


def alpaca(row: Row) -> Record:
    return Record(_alpaca_prompt(row), (_answer(row, "output|response", score=_score(row)),))


def alpaca_preference(row: Row) -> Record:
    return _pair(_alpaca_prompt(row), row)


def preference(row: Row) -> Record:
    """Read a pair of text or messages; chosen and rejected may be conversations that hold the prompt."""
    if all(has_role(row[key], "user") for key in ("chosen", "rejected")):
        record = implicit_preference(row)
    else:
        record = _pair(_prompt(row), row)
    scores = number(row, "score_chosen"), number(row, "score_rejected")
    if scores == (None, None):
        return record
    scored = (replace(each, score=score) for each, score in zip(record.responses, scores, strict=True))
    return replace(record, responses=tuple(scored))


def implicit_preference(row: Row) -> Record:
    return Record(*split_pair(as_messages(row["chosen"], "chosen"), as_messages(row["rejected"], "rejected")))


def hh_rlhf(row: Row) -> Record:
    chosen, rejected = (transcript(as_text(row[key], key), key) for key in ("chosen", "rejected"))
    return Record(*split_pair(chosen, rejected))


def openai_preference(row: Row) -> Record:
    given = row["input"].get("messages") if isinstance(row["input"], dict) else row["input"]
    return _pair(as_prompt(given, "input"), row, keys=("preferred_output", "non_preferred_output"))


def _prompt(row: Row) -> Turns:
    key = str(present(row, QUESTION))
    value = words(row[key])
    if isinstance(value, str):
        return as_prompt(asked(value, row), key)
    refuse_under(row)
    return as_prompt(value, key)


def _answer(row: Row, need: str = ANSWER, **fields: object) -> Response:
    key = str(present(row, need))
    return as_response(words(row[key]), key, **fields)


def _score(row: Row) -> float | None:
    key = present(row, SCORE)
    return None if key is None else number(row, key)


def _label(row: Row) -> bool:
    return as_label(value_of(row, LABEL), str(present(row, LABEL)))


def prompt_completion(row: Row) -> Record:
    return Record(_prompt(row), (_answer(row, score=_score(row)),))


def unpaired(row: Row) -> Record:
    return Record(_prompt(row), (_answer(row, label=_label(row)),))


def response_preference(row: Row) -> Record:
    """Read ms-swift's row of a response and the one or several rejected responses."""
    prompt, best, worse = _prompt(row), _answer(row, f"{ANSWER}|output"), words(row[REJECTED])
    if not isinstance(worse, list) or any(isinstance(one, dict) for one in worse):
        return _checked_pair(prompt, best, as_response(worse, REJECTED))
    others = [as_response(words(one), f"{REJECTED}[{index}]") for index, one in enumerate(worse)]
    if len(others) == 1:
        return _checked_pair(prompt, best, others[0])
    return _ranked(prompt, [best, *others], [0.0] + [1.0] * len(others), REJECTED)


def _conversation(row: Row) -> Turns:
    refuse_under(row)
    return as_messages(value_of(row, MESSAGES), str(present(row, MESSAGES)))


def messages(row: Row) -> Record:
    prompt, response = split_first(_conversation(row), str(present(row, MESSAGES)))
    return Record(prompt, (replace(response, score=_score(row)),))


def messages_unpaired(row: Row) -> Record:
    prompt, response = split_last(_conversation(row), str(present(row, MESSAGES)), label=_label(row))
    return Record(prompt, (response,))


def messages_preference(row: Row) -> Record:
    """Read ms-swift's row: the last turn is chosen; `rejected_messages` is a whole conversation."""
    if present(row, "rejected_messages"):
        return Record(
            *split_pair(_conversation(row), as_messages(row["rejected_messages"], "rejected_messages"))
        )
    prompt, chosen = split_last(_conversation(row), "messages")
    return _checked_pair(prompt, chosen, as_response(row["rejected_response"], "rejected_response"))


def sharegpt_preference(row: Row) -> Record:
    return _pair(check_prompt(_conversation(row), str(present(row, MESSAGES))), row)


def messages_prompt(row: Row) -> Record:
    return Record(check_prompt(_conversation(row), str(present(row, MESSAGES))))


def prompt_only(row: Row) -> Record:
    return Record(_prompt(row))


def text(row: Row) -> Record:
    """Read plain text for language modelling: a response to an empty prompt."""
    return Record((), (as_response(as_text(words(row["text"]), "text"), "text"),))


def responses(row: Row) -> Record:
    """Read K responses; `ranks` count from the best upwards, larger `scores` are better."""
    given = enumerate(map(words, as_list(row, "responses")))
    items, prompt = [as_response(item, f"responses[{index}]") for index, item in given], _prompt(row)
    if present(row, "ranks"):
        return _ranked(prompt, items, [as_number(value, "ranks") for value in as_list(row, "ranks")], "ranks")
    scores = [as_number(value, "scores") for value in as_list(row, "scores")]
    if len(scores) == len(items):
        items = [replace(item, score=score) for item, score in zip(items, scores, strict=True)]
    return _ranked(prompt, items, [-score for score in scores], "scores")


def ultrafeedback(row: Row) -> Record:
    items: list[Response] = []
    for index, item in enumerate(as_list(row, "completions")):
        if not isinstance(item, dict) or item.get("response") is None or item.get("overall_score") is None:
            said = message("`completions[{index}]` needs `response` and `overall_score`", index=index)
            raise RowError("missing-score", said)
        score, source = as_number(item["overall_score"], "overall_score"), item.get("model")
        items.append(as_response(item["response"], f"completions[{index}]", score=score, source=source))
    return _ranked(_alpaca_prompt(row), items, [-(item.score or 0.0) for item in items], "overall_score")


def _is_transcript(row: Row) -> bool:
    return all(
        isinstance(row[key], str) and row[key].lstrip().startswith("Human:") for key in ("chosen", "rejected")
    )


def _are_conversations(row: Row) -> bool:
    return is_messages(row["chosen"]) and is_messages(row["rejected"])


def _answered(row: Row) -> bool:
    return not present(row, OPINIONS) and has_role(value_of(row, MESSAGES), "assistant")


def _unanswered(row: Row) -> bool:
    return not present(row, OPINIONS) and not has_role(value_of(row, MESSAGES), "assistant")


def _continues(row: Row) -> bool:
    return not present(row, PROMPT) and not has_role(row["chosen"], "user")


def _no_opinion(row: Row) -> bool:
    """Tell whether a row is a prompt alone; turns beside a `problem` make it another format."""
    return not present(row, OPINIONS) and bool(
        present(row, "prompt|question|query") or not present(row, MESSAGES)
    )


_TABLE = (
    Format("preference", "preference", (PROMPT, "chosen", "rejected"), preference),
    Format(
        "preference-implicit",
        "preference, implicit prompt",
        ("chosen", "rejected"),
        implicit_preference,
        _are_conversations,
    ),
    Format("hh-rlhf", "HH-RLHF transcripts", ("chosen", "rejected"), hh_rlhf, _is_transcript),
    Format("alpaca", "Alpaca", ("instruction", "output|response"), alpaca),
    Format(
        "alpaca-preference", "Alpaca preference", ("instruction", "chosen", "rejected"), alpaca_preference
    ),
    Format("paddle", "PaddleNLP SFT", ("src", "tgt"), paddle_sft),
    Format(
        "paddle-preference", "PaddleNLP preference", ("src", "tgt", "response", "sort"), paddle_preference
    ),
    Format("prompt-completion", "prompt and completion", (PROMPT, ANSWER), prompt_completion),
    Format("unpaired", "prompt, completion and label", (PROMPT, ANSWER, LABEL), unpaired),
    Format(
        "response-preference",
        "response and rejected response",
        (QUESTION, f"{ANSWER}|output", REJECTED),
        response_preference,
    ),
    Format("messages", "chat messages", ("messages",), messages, _answered),
    Format("messages-prompt", "chat messages, prompts only", (MESSAGES,), messages_prompt, _unanswered),
    Format("messages-unpaired", "chat messages with a label", ("messages", LABEL), messages_unpaired),
    Format(
        "messages-preference",
        "ms-swift preference",
        ("messages", "rejected_response|rejected_messages"),
        messages_preference,
    ),
    Format("sharegpt", "ShareGPT", ("conversations",), messages, _answered),
    Format("sharegpt-unpaired", "ShareGPT with a label", ("conversations", LABEL), messages_unpaired),
    Format(
        "sharegpt-preference",
        "ShareGPT preference",
        (MESSAGES, "chosen", "rejected"),
        sharegpt_preference,
        _continues,
    ),
    Format(
        "openai-preference",
        "OpenAI preference",
        ("input", "preferred_output", "non_preferred_output"),
        openai_preference,
    ),
    Format("responses", "ranked responses", (PROMPT, "responses", "ranks|scores"), responses),
    Format("ultrafeedback", "UltraFeedback", ("instruction", "completions"), ultrafeedback),
    Format("prompt", "prompts only", (PROMPT,), prompt_only, _no_opinion),
    Format("text", "plain text", ("text",), text),
)
FORMATS: dict[str, Format] = {each.name: each for each in _TABLE}


def find_format(name: str) -> Format:
    """Return the format of that name. Raises `UsageError` for an unknown name."""
    return find("format", FORMATS, name, error=UsageError)
