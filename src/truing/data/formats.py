"""Every on-disk format of a row, in one table: how to recognise it and how to read it into a `Record`.

To add one, write `parse(row) -> Record` that raises `RowError` for a row it cannot use, and give it a
line in `FORMATS`: the keys it needs (alternatives joined by `|`) and, where two formats need the same
keys, a `shape` that tells them apart. `detect` prefers the format that needs more keys. `system`,
`margin` and `category` are carried over for all formats; responses are listed best first.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from truing.core.errors import DataError, UsageError
from truing.core.messages import message
from truing.core.records import Message, Record, Response
from truing.data.columns import Watched, given_of
from truing.data.fields import Row, as_label, as_list, as_number, number, present, value_of
from truing.data.rows import RowError, excerpt
from truing.data.turns import (
    Turns,
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

PROMPT = "prompt|question|query"
ANSWER = "completion|response|answer"
LABEL = "label|kto_tag"
MESSAGES = "messages|conversations"
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
        """The needed keys that a row lacks, each by its first name."""
        return [need.split("|")[0] for need in self.needs if not present(row, need)]

    def matches(self, row: Row) -> bool:
        return not self.missing(row) and self.shape(row)

    def read(self, row: Row) -> Record:
        """The row as a record without a place, or `RowError`."""
        columns, row = row, Watched(row)
        missing = self.missing(row)
        if missing:
            keys = excerpt(", ".join(row))
            code = f"missing-{missing[0].replace('_', '-')}"
            raise RowError(code, message("no `{key}` among the keys {keys}", key=missing[0], keys=keys))
        given, record = given_of(row), self.parse(row)
        system = row.get("system")
        if isinstance(system, str) and system.strip() and record.prompt and record.prompt[0].role != "system":
            record = replace(record, prompt=(Message("system", system), *record.prompt))
        record = replace(record, margin=number(row, "margin"), category=_category(row))
        return replace(record, given=given, columns=columns, unread=tuple(row.unread()))


def _category(row: Row) -> str | None:
    value = row.get("category")
    return value if isinstance(value, str) and value else None


def _pair(prompt: Turns, row: Row, keys: tuple[str, str] = ("chosen", "rejected")) -> Record:
    return _checked_pair(prompt, as_response(row[keys[0]], keys[0]), as_response(row[keys[1]], keys[1]))


def _checked_pair(prompt: Turns, chosen: Response, rejected: Response) -> Record:
    if chosen.turns == rejected.turns:
        raise RowError(
            "identical-pair", message("chosen and rejected are the same: {value}", value=excerpt(chosen.text))
        )
    return Record(prompt, (chosen, rejected))


def _ranked(prompt: Turns, responses: list[Response], worse: list[float], key: str) -> Record:
    """Responses in the order of `worse` (smallest first); equal values share a rank."""
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
    """PaddleNLP's `src` (user) and `tgt` (assistant) as turns, in the order they were said."""
    users, assistants = (
        [row[key]] if isinstance(row[key], str) else as_list(row, key) for key in ("src", "tgt")
    )
    if len(users) - len(assistants) not in (0, 1):
        raise RowError(
            "src-tgt-length",
            message("{users} in `src` and {said} in `tgt`", users=len(users), said=len(assistants)),
        )
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
        raise RowError(
            "tied-sort",
            message(
                "`sort` {value} has a tie; every response needs its own value", value=excerpt(row["sort"])
            ),
        )
    texts = as_list(row, "response")
    responses = [as_response(text, f"response[{index}]") for index, text in enumerate(texts)]
    return _ranked(check_prompt(turns, "src/tgt"), responses, worse, "sort")


def _alpaca_prompt(row: Row) -> Turns:
    turns: list[Message] = []
    for exchange in row.get("history") or []:
        if not isinstance(exchange, list) or len(exchange) != 2:
            raise RowError("wrong-type", message("`history` is not a list of [question, answer]"))
        turns.append(Message("user", as_text(exchange[0], "history")))
        turns.append(Message("assistant", as_text(exchange[1], "history")))
    parts = [as_text(row[key], key) for key in ("instruction", "input") if row.get(key) is not None]
    turns.append(Message("user", "\n".join(part for part in parts if part.strip())))
    return check_prompt(tuple(turns), "instruction")


def alpaca(row: Row) -> Record:
    return Record(_alpaca_prompt(row), (as_response(row["output"], "output"),))


def alpaca_preference(row: Row) -> Record:
    return _pair(_alpaca_prompt(row), row)


def preference(row: Row) -> Record:
    """Text or messages; where chosen and rejected are whole conversations they hold the prompt themselves."""
    if all(has_role(row[key], "user") for key in ("chosen", "rejected")):
        record = implicit_preference(row)
    else:
        record = _pair(as_prompt(value_of(row, PROMPT), "prompt"), row)
    scores = number(row, "score_chosen"), number(row, "score_rejected")
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


def prompt_completion(row: Row) -> Record:
    return Record(
        as_prompt(value_of(row, PROMPT), "prompt"), (as_response(value_of(row, ANSWER), "completion"),)
    )


def unpaired(row: Row) -> Record:
    label = as_label(value_of(row, LABEL))
    prompt = as_prompt(value_of(row, PROMPT), "prompt")
    return Record(prompt, (as_response(value_of(row, ANSWER), "completion", label=label),))


def _conversation(row: Row) -> Turns:
    return as_messages(value_of(row, MESSAGES), str(present(row, MESSAGES)))


def messages(row: Row) -> Record:
    prompt, response = split_first(_conversation(row), str(present(row, MESSAGES)))
    return Record(prompt, (response,))


def messages_unpaired(row: Row) -> Record:
    prompt, response = split_last(_conversation(row), "messages", label=as_label(value_of(row, LABEL)))
    return Record(prompt, (response,))


def messages_preference(row: Row) -> Record:
    """ms-swift: the conversation's last turn is chosen; `rejected_messages` is a whole conversation."""
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
    return Record(as_prompt(value_of(row, PROMPT), "prompt"))


def text(row: Row) -> Record:
    """Plain text for language modelling: a response to nothing."""
    return Record((), (as_response(as_text(row["text"], "text"), "text"),))


def responses(row: Row) -> Record:
    """K responses; `ranks` count from the best upwards, larger `scores` are better."""
    items = [as_response(item, f"responses[{index}]") for index, item in enumerate(as_list(row, "responses"))]
    prompt = as_prompt(value_of(row, PROMPT), "prompt")
    if present(row, "ranks"):
        return _ranked(prompt, items, [as_number(value, "ranks") for value in as_list(row, "ranks")], "ranks")
    scores = [as_number(value, "scores") for value in as_list(row, "scores")]
    scored = [replace(item, score=score) for item, score in zip(items, scores, strict=False)]
    return _ranked(prompt, scored or items, [-score for score in scores], "scores")


def ultrafeedback(row: Row) -> Record:
    items: list[Response] = []
    for index, item in enumerate(as_list(row, "completions")):
        if not isinstance(item, dict) or item.get("response") is None or item.get("overall_score") is None:
            raise RowError(
                "missing-score",
                message("`completions[{index}]` needs `response` and `overall_score`", index=index),
            )
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
    return not present(row, OPINIONS)


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
    Format("alpaca", "Alpaca", ("instruction", "output"), alpaca),
    Format(
        "alpaca-preference", "Alpaca preference", ("instruction", "chosen", "rejected"), alpaca_preference
    ),
    Format("paddle", "PaddleNLP SFT", ("src", "tgt"), paddle_sft),
    Format(
        "paddle-preference", "PaddleNLP preference", ("src", "tgt", "response", "sort"), paddle_preference
    ),
    Format("prompt-completion", "prompt and completion", (PROMPT, ANSWER), prompt_completion),
    Format("unpaired", "prompt, completion and label", (PROMPT, ANSWER, LABEL), unpaired),
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
    """The format of that name, or `UsageError` with the nearest one."""
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=1)
    hint = f"did you mean {near[0]}?" if near else ""
    raise UsageError(f"format {name!r} is unknown; formats are {', '.join(FORMATS)}", hint=hint)


def detect(rows: Sequence[Row]) -> Format:
    """The format that most rows have and that needs the most keys; `DataError` if that is none or several.

    More than half of the rows is enough: the others are then bad rows with a reason, where asking for
    all of them would let one row without `chosen` turn a preference file into a file of prompts.
    """
    assert rows
    matching = [each for each in FORMATS.values() if 2 * sum(map(each.matches, rows)) > len(rows)]
    if not matching:
        raise _unrecognised(rows)
    most = max(len(each.needs) for each in matching)
    best = [each for each in matching if len(each.needs) == most]
    if len(best) > 1:
        names = " and ".join(f"{each.name} ({each.title})" for each in best)
        raise DataError(
            message("the rows can be read in more than one way: {names}", names=names),
            hint=message("say which with --format {name}, or data.format in a recipe", name=best[0].name),
        )
    return best[0]


def _unrecognised(rows: Sequence[Row]) -> DataError:
    seen = Counter(key for row in rows for key, value in row.items() if value is not None)
    keys = [key for key, count in seen.most_common(12) if 2 * count > len(rows)]
    typical = dict.fromkeys(keys, "")
    common = ", ".join(keys)[:200] or message("(none in common)")
    start = message("no format fits; most rows have the keys {keys}", keys=common)
    near = max(FORMATS.values(), key=lambda each: (_likeness(each, typical), -len(each.needs)))
    missing = near.missing(typical)
    if not _likeness(near, typical):
        hint = "rename the columns, or say --format with one of: {names}"
        return DataError(start, hint=message(hint, names=", ".join(FORMATS)))
    has = " and ".join(f"`{key}`" for need in near.needs if (key := present(typical, need)))
    said = "{start}: rows have {has} but no `{key}`"
    hint = "the nearest format is {name}, which needs {names}"
    return DataError(
        message(said, start=start, has=has, key=missing[0]),
        hint=message(hint, name=near.name, names=", ".join(near.needs)),
    )


def _likeness(each: Format, typical: Row) -> float:
    """The share of the needed keys that is there; 0 for formats that lack none, whose shape did not fit."""
    missing = len(each.missing(typical))
    return 1 - missing / len(each.needs) if missing else 0.0
