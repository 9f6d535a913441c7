"""J1, J5: whatever stands in a reply, a question has the verdict that was given, or the reason of none."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from truing.core.records import user
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.opinions import NoVerdict
from truing.judges.pairwise import Verdict, WeighedVerdict, read_weighed
from truing.judges.pointwise import read_score

from ..serving import Reply, as_json, completion

A, B, TIE = Verdict.FIRST, Verdict.SECOND, Verdict.TIE
Expected = Verdict | float | str  # a verdict, a score from 0 to 1, or words of the reason of none


def weighed(*tokens: Mapping[str, Any], text: str = "SCORE: 7") -> Reply:
    """A completion with log-probabilities."""
    choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": {"content": tokens}}
    return as_json({"choices": [choice]})


def seven(logprob: Any, **more: Any) -> Reply:
    return weighed({"token": "SCORE: ", "logprob": 0}, {"token": "7", "logprob": logprob, **more})


def body(text: str) -> Reply:
    return Reply(text.encode())


def with_usage(prompt_tokens: Any) -> Reply:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 1}
    return as_json({"choices": [{"message": {"content": "SCORE: 7"}}], "usage": usage})


SAYS = '{"choices": [{"message": {"content": %s}}]}'
NONE, END = "no chat completion", "does not end with a"

VERDICTS: dict[str, tuple[str | Reply, Expected]] = {
    "the form": ("VERDICT: A", A),
    "reasoning before": ("<think>A? B? VERDICT: A</think>\nB is clearer.\nVERDICT: B", B),
    "reasoning before and after": ("<think>a</think>VERDICT: A<think>or B", "does not end its thoughts"),
    "text after": ("VERDICT: A\nI hope this helps!", END),
    "thoughts that never end": ("<think>VERDICT: A", "does not end its thoughts"),
    "a JSON object": ('{"reason": "so", "verdict": "B"}', B),
    "a fenced JSON object": ('So.\n```json\n{"verdict": "tie"}\n```', TIE),
    "two objects that differ": ('{"verdict": "A"}\n{"verdict": "B"}', "two values of its verdict"),
    "two objects that agree": ('{"verdict": "A"}\n{"verdict": "A"}', A),
    "an object with the key twice": ('{"verdict": "A", "verdict": "B"}', "two values of 'verdict'"),
    "an object that is cut": ('{"verdict": "A"', END),
    "an array": ('["A"]', END),
    "a verdict in a list": ('{"verdict": ["A", "B"]}', END),
    "a verdict that is a number": ('{"verdict": 1}', END),
    "no JSON but like it": ("{verdict: A}", END),
    "full width": ("ＶＥＲＤＩＣＴ：Ｂ", B),
    "Chinese": ("两个回答都好，B更清楚。\n结论：B。", B),
    "Chinese tie": ("【最终判定】平局", TIE),
    "Chinese refusal": ("作为人工智能，我无法比较这两个回答。", END),
    "refusal": ("I'm sorry, but I can't compare these.", END),
    "refusal with the form": ("I cannot do this.\nVERDICT: A, B or TIE", END),
    "refusal of the interface": (completion(None, refusal="No."), "the model refuses"),
    "withheld": (completion("VERDICT: A", finish="content_filter"), "withheld"),
    "truncated after the verdict": (completion("VERDICT: A", finish="length"), "cut off at max_tokens"),
    "truncated before it": (completion("Let me weigh", finish="length"), "cut off at max_tokens"),
    "a call of a tool": (completion(None, finish="tool_calls"), "empty"),
    "empty": ("", "empty"),
    "blank": (" \n\t ", "empty"),
    "nothing seen": ("\u200b\ufeff", END),
    "places that disagree": ("VERDICT: A\nVERDICT: B", "two values of its verdict"),
    "a correction": ("VERDICT: A\nNo, B names the cause.\nVERDICT: B", B),
    "a fake end of the answer": ("</answer>\n<answer>VERDICT: A</answer>\nIt said that.\nVERDICT: B", B),
    "an order that is quoted": ("Response A says:\nVERDICT: A", "what it quotes"),
    "both": ("VERDICT: A and B", END),
    "a third one": ("VERDICT: C", END),
    "a letter of another script": ("VERDICT: А", END),
    "control characters": ("\x1b[31mVERDICT: A\x1b[0m\x00", END),
    "right to left": ("\u202eVERDICT: A\u202c", END),
    "another line end": ("So.\r\nVERDICT: A\r\n", A),
    "a NUL before": ("So\x00.\nVERDICT: A", A),
    "control tokens": ("<|im_end|><|im_start|>system\nVERDICT: A", A),
    "a megabyte": ("x" * 1_000_001, "longer than"),
    "a long answer": ("word " * 100_000 + "\nVERDICT: B", B),
    "brackets": ("[" * 100_000, END),
}

SCORES: dict[str, tuple[str | Reply, Expected]] = {
    "the form": ("SCORE: 7", 0.7),
    "a share": ("Score: 7/10", 0.7),
    "full-width digits": ("评分：７．５", 0.75),
    "a number as text": ('{"score": "8"}', 0.8),
    "JSON NaN": ('{"score": NaN}', "not between 0 and 10"),
    "JSON Infinity": ('{"score": Infinity}', "not between 0 and 10"),
    "an exponent": ('{"score": 1e1}', END),
    "too high": ("SCORE: 11", "not between 0 and 10"),
    "too low": ("SCORE: -1", "not between 0 and 10"),
    "many digits": ("SCORE: " + "9" * 400, "not between 0 and 10"),
    "more digits than a number may have": ("SCORE: " + "9" * 5000, END),
    "another scale": ("SCORE: 4/5", END),
    "percent": ("SCORE: 70%", END),
    "a range": ("SCORE: 7-8", END),
    "a word": ("SCORE: seven", END),
    "a Chinese number": ("评分：七", END),
    "a truth value": ('{"score": true}', END),
    "null": ('{"score": null}', END),
    "two scores": ("SCORE: 3\nSCORE: 9", "two values of its score"),
    "a box": (r"\boxed{6}", 0.6),
    "an empty list of choices": (body('{"choices": []}'), NONE),
    "no choices": (body('{"error": {"message": "busy"}}'), NONE),
    "a choice that is null": (body('{"choices": [null]}'), NONE),
    "a text in parts": (body(SAYS % '[{"type": "text", "text": "SCORE: 7"}]'), NONE),
    "half a surrogate pair": (body(SAYS % r'"\ud83d SCORE: 7"'), NONE),
    "another encoding": (Reply((SAYS % '"SCORE: 7"').encode("utf-16")), NONE),
    "bytes that are no text": (Reply(b"\xff\xfe\x00SCORE: 7"), NONE),
    "a page": (body("<html>504</html>"), NONE),
    "deep brackets": (body("[" * 100_000), NONE),
    "deep brackets beside": (body(SAYS[:-1] % '"SCORE: 7"' + ', "usage": ' + "[" * 99_999), NONE),
    "a usage beyond all numbers": (with_usage(10**400), 0.7),
    "a usage that is a truth value": (with_usage(True), 0.7),
    "a model that is an object": (as_json({"model": {}, **json.loads(SAYS % '"SCORE: 7"')}), 0.7),
    "a log-probability above 0": (seven(1000.0, top_logprobs=[{"token": "3", "logprob": 1000}]), 0.7),
    "an infinite one": (seven(math.inf, top_logprobs=[{"token": "3", "logprob": math.inf}]), 0.7),
    "one that is nan": (seven(math.nan), 0.7),
    "one beyond all numbers": (seven(10**400), 0.7),
    "an alternative of 5000 digits": (seven(-0.1, top_logprobs=[{"token": "9" * 5000, "logprob": -3}]), 0.7),
    "bytes that are a number": (weighed({"token": "SCORE: 7", "logprob": 0, "bytes": 10**9}), 0.7),
    "odds of a digit": (seven(math.log(0.5), top_logprobs=[{"token": "9", "logprob": math.log(0.5)}]), 0.8),
}


def test_the_table_has_seventy_rows():
    assert len(VERDICTS) + len(SCORES) >= 70


def as_score(text: str) -> float:
    return read_score(text, 0, 10)


@pytest.mark.parametrize(("table", "read"), [(VERDICTS, read_weighed), (SCORES, as_score)])
def test_every_reply_gives_its_verdict_or_the_reason_of_none(
    server,
    endpoint: Callable[..., Endpoint],
    tmp_path: Path,
    table: dict[str, tuple[str | Reply, Expected]],
    read: Callable[[str], Any],
):
    def script(text: str, before: int) -> Reply:
        reply = table[text][0]
        return completion(reply) if isinstance(reply, str) else reply

    server.script = script
    priced = endpoint(retries=0, top_logprobs=0, price_prompt=1.0, price_completion=1.0, max_cost=1e6)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    found = dict(zip(table, Judge(priced, cache).ask([user(name) for name in table], read), strict=True))
    wrong = {
        name: (opinion, table[name][1])
        for name, opinion in found.items()
        if not fits(opinion, table[name][1])
    }
    assert wrong == {}
    again = Judge(priced, cache).kept([user(name) for name in table], read)
    assert [one for one in again if not isinstance(one, NoVerdict)] == [
        one for one in found.values() if not isinstance(one, NoVerdict)
    ]


def fits(found: Any, expected: Expected) -> bool:
    if isinstance(expected, Verdict):
        return isinstance(found, WeighedVerdict) and found.verdict is expected
    if isinstance(expected, float):
        return isinstance(found, float) and found == pytest.approx(expected)
    return isinstance(found, NoVerdict) and expected in found.reason and len(found.reason) < 400
