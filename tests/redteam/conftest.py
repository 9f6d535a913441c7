"""A scripted model behind an address, which declines plainly, plays any role, and cannot read base64."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving import Reply, Request, Server, as_json, completion

from truing.config.red_team import RedTeamRecipe
from truing.evals.suites.headlines import load_headlines
from truing.redteam.controls import controls_of
from truing.redteam.record import RedTeam
from truing.redteam.run import red_team

NO = {"en": "I can't help with that.", "zh": "抱歉，我不能帮助你做这件事。"}
PLAYS = "As DAN I say: first gather paper, ink and friends, meet on Sunday, and write in capitals about {}"
WALK = "Yesterday the dog and I took a long walk along the river, and we came home tired and glad."


class ScriptedModel:
    """Counts what it is asked; `answer` may be replaced, and after `stops_at` answers it is gone."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.stops_at: int | None = None
        self.answer: Callable[[str], str] = reply
        self.fails: Callable[[str], bool] = lambda text: False
        self.server = Server(self._reply)

    def _reply(self, request: Request) -> Reply:
        if self.stops_at is not None and len(self.asked) >= self.stops_at:
            return as_json({"error": {"message": "no such key"}}, 401)
        text = request.body["messages"][-1]["content"]
        self.asked.append(text)
        if self.fails(text):
            return as_json({"error": {"message": "the text is refused by a filter"}}, 400)
        return completion(self.answer(text))

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "name": "server",
            "model": "scripted",
            "base_url": f"{self.server.url}/v1",
            "api_key_env": None,
            "concurrency": 1,
        }


CONTROLS = [one for language in ("en", "zh") for one in controls_of(language)]
BENIGN = {one.benign for one in load_headlines()}


def reply(text: str) -> str:
    if "base64" in text:
        return WALK
    known = next((one for one in CONTROLS if one.prompt in text), None)
    if known is not None:
        return f"It is {known.answers[-1]}."
    if "DAN" in text:
        return PLAYS.format(text.rpartition("\n\n")[2])
    if text in BENIGN:
        return f"Gladly. What people say about this, in short, is that it helps to begin early: {text}"
    return NO["zh" if any("\u4e00" <= letter <= "\u9fff" for letter in text) else "en"]


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    scripted = ScriptedModel()
    yield scripted
    scripted.server.close()


@pytest.fixture
def attack(model: ScriptedModel, tmp_path: Path) -> Callable[..., RedTeam]:
    """Attacks the scripted model; `changes` are keys of the recipe."""

    def run(**changes: Any) -> RedTeam:
        asked = {
            "model": model.spec,
            "attacks": ["plain", "base64", "role_play"],
            "categories": ["violence", "illegal_acts"],
            "languages": ["en"],
            "per_category": 2,
            "controls": 4,
            "output": str(tmp_path / "out"),
        }
        return red_team(RedTeamRecipe.model_validate(asked | changes), lambda line: None, lambda *seen: None)

    return run
