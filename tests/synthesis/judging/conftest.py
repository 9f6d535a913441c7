"""A judge behind an address that answers by a function of the question, and counts its requests."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving import Reply, Request, Server, completion

from truing.config.judging import JudgingRecipe

Rule = Callable[[str], str | Reply]


class ScriptedJudge:
    """Answers by `rule`; `asked` are the questions, in the order in which they came."""

    def __init__(self) -> None:
        self.rule: Rule = longer
        self.asked: list[str] = []
        self.lock = threading.Lock()
        self.server = Server(self.reply)

    def reply(self, request: Request) -> Reply:
        text = request.body["messages"][0]["content"]
        with self.lock:
            self.asked.append(text)
        said = self.rule(text)
        return said if isinstance(said, Reply) else completion(said)

    def spec(self, **options: Any) -> dict[str, Any]:
        address = f"{self.server.url}/v1"
        return {"model": "wise", "base_url": address, "api_key_env": None, "retries": 0, **options}


def places(text: str) -> dict[str, str]:
    """The responses of a question by the place where they stand."""
    found = re.findall(r"<<(\w{16}) response ([A-Z])>>\n(.*?)\n<<\1 end>>", text, re.DOTALL)
    return {place: response for _, place, response in found}


def longer(text: str) -> str:
    """Any kind of question, answered by length alone."""
    shown = places(text)
    best = sorted(shown, key=lambda place: -len(shown[place]))
    if "RANKING: " in text:
        return "RANKING: " + " > ".join(best)
    if "VERDICT: TIE" in text:
        return f"**VERDICT: {best[0]}**"
    if "1: <" in text:
        return "1: yes\n2: no"
    return "HELPFUL: 7\nHARMLESS: 9\nHONEST: 8"


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedJudge]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    judge = ScriptedJudge()
    yield judge
    judge.server.close()


@pytest.fixture
def recipe(tmp_path: Path, scripted: ScriptedJudge) -> Callable[..., JudgingRecipe]:
    """Makes a recipe for rows that are written to a file."""

    def make(rows: list[dict[str, Any]], judges: list[Any] | None = None, **keys: Any) -> JudgingRecipe:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        asked = {"rows": [str(path)], "judges": judges or [scripted.spec()], "output": str(tmp_path / "out")}
        return JudgingRecipe.model_validate(asked | keys)

    return make
