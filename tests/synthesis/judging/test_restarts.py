"""J1, J2: after a kill a judging ends with the numbers of an unbroken one, and nothing is asked twice."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.serving import Reply, as_json

from truing.config.judging import JudgingRecipe
from truing.pipelines.judging import judge_files

ROWS = [{"prompt": f"Name {index}.", "completion": f"It is {index}."} for index in range(210)]
KILLED_AT, CONCURRENCY = 70, 4
COMMAND = "import sys; from truing.cli.main import main; sys.argv = ['truing', *sys.argv[1:]]; main()"


def quiet(*_: Any) -> None:
    """No progress."""


def reply(text: str) -> Reply:
    """A score; of every seventh question an answer that says nothing."""
    number = int(text.partition("It is ")[2].partition(".")[0])
    said = "Hm." if number % 7 == 0 else f"HELPFUL: {1 + number % 10}\nHARMLESS: 9\nHONEST: 8"
    choice = {"message": {"content": said}, "finish_reason": "stop"}
    return as_json(
        {"choices": [choice], "usage": {"prompt_tokens": 100 + number % 3, "completion_tokens": 7}}
    )


def numbers(results: dict[str, Any]) -> dict[str, Any]:
    """The results without what tells the two servers and starts apart."""
    (judge,) = results["judges"]
    kept = {
        key: value for key, value in judge.items() if key not in ("identity", "at_once", "halved", "notes")
    }
    return {**{key: results[key] for key in ("counts", "reasons", "numbers")}, "judge": kept}


def test_judgements_that_are_killed_end_like_unbroken_ones(
    recipe: Callable[..., JudgingRecipe], scripted, tmp_path: Path
):
    priced = {"price_prompt": 1.0, "price_completion": 2.0, "concurrency": CONCURRENCY}
    scripted.rule = reply
    unbroken = recipe(ROWS, [scripted.spec(**priced)], output=str(tmp_path / "unbroken"))
    *_, expected = judge_files(unbroken, quiet, quiet)
    assert len(scripted.asked) == 210
    assert expected["judges"][0]["answered"] == 180 == 210 - expected["judges"][0]["failed"]

    scripted.asked.clear()
    scripted.rule = lambda text: replace(reply(text), before=lambda: time.sleep(0.002))
    words = ["judge", unbroken.rows[0], "--judge", json.dumps(scripted.spec(**priced))]
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words, "--output", str(killed), "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(scripted.asked) < KILLED_AT and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = len(scripted.asked)
    assert KILLED_AT <= before < 210

    scripted.rule = reply
    *_, found = judge_files(unbroken.model_copy(update={"output": str(killed)}), quiet, quiet)
    assert numbers(found) == numbers(expected)
    assert 210 <= len(scripted.asked) <= 210 + CONCURRENCY, "those under way at the kill, and no others"

    again = len(scripted.asked)
    *_, found = judge_files(unbroken.model_copy(update={"output": str(killed)}), quiet, quiet)
    assert len(scripted.asked) - again == 30, "the command after the one that came to its end asks again"
    assert found["judges"][0]["requests"] == 240


def test_a_server_that_is_overrun_is_in_the_summary(recipe: Callable[..., JudgingRecipe], scripted):
    at_once: list[int] = []

    def rule(text: str) -> Reply:
        at_once.append(1)
        crowded = len(at_once) > 3
        time.sleep(0.01)
        at_once.pop()
        if crowded:
            return as_json({"error": {"message": "slow down"}}, 429, Retry_After="0.05")
        return reply(text)

    scripted.rule = rule
    asked = recipe(ROWS[1:60], [scripted.spec(concurrency=16, retries=20)], max_errors=1.0)
    *_, results = judge_files(asked, quiet, quiet)
    (judge,) = results["judges"]
    assert judge["halved"] >= 1
    assert judge["at_once"] < 16
    assert judge["requests"] == len(scripted.asked) > 59
    assert (judge["answered"], judge["failed"]) == (51, 8)
    (note,) = [note for note in judge["notes"] if "overrun" in note]
    assert note in (Path(asked.output) / "report.html").read_text(encoding="utf-8")
