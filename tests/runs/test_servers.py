"""Online runs whose responses real servers draw: one dies, all die, one holds older weights."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from truing.config.reads import require_read
from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, RunState, read_metrics, read_status
from truing.core.errors import ModelError
from truing.models.world import World, apart
from truing.rollouts.ahead import Ahead
from truing.runs.crew import crew_of
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.sampling import fleet, servers
from truing.sampling.local import LocalSampler
from truing.training.health import read_findings

from ..sampling.model_server import ModelServer
from ..tables import each
from ..two_ranks import Two

OWN = '''
def letters(responses):
    """Share of a response's characters that are lower-case letters."""
    return [sum(c.isascii() and c.islower() for c in text) / len(text) if text else 0.0 for text in responses]
'''
PROMPTS, GROUP = 4, 4
Train = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def own_rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "served_rewards.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(servers, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(fleet, "LOOK", 0.05)
    yield
    sys.modules.pop("served_rewards", None)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def opened(model_folder: Path, tmp_path: Path, said: list[str]) -> Callable[..., OnlineSession]:
    """Opens a GRPO session on eight prompts whose responses these servers draw."""
    rows = tmp_path / "prompts.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"Question {i}?"}) + "\n" for i in range(8)))

    def make(*urls: str, name: str = "run", steps: int = 4, **changes: Any) -> OnlineSession:
        recipe: dict[str, Any] = {
            "method": "grpo",
            "policy": str(model_folder),
            "data": {"train": str(rows)},
            "lora": {"r": 4},
            "rewards": [{"name": "served_rewards:letters"}],
            "sampling": {"max_new_tokens": 6, "servers": urls, "wait": 60.0},
            "online": {"group_size": GROUP},
            "optim": {"learning_rate": 2e-2, "items_per_step": PROMPTS, "epochs": 9, "max_steps": steps},
            "checkpoint": {"every": 100},
            "dtype": "float32",
            "output": str(tmp_path / name),
        }
        for key, value in changes.items():
            recipe[key] = recipe[key] | value if isinstance(recipe.get(key), dict) and value else value
        session = open_run(Recipe.model_validate(recipe), said.append)
        assert isinstance(session, OnlineSession)
        return session

    return make


def trained(session: OnlineSession, allow: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    with RunFolder.open(session.recipe.output) as folder:
        run(session, folder, allow_change=allow)
        return numbers(folder.path)


def numbers(path: Path) -> list[dict[str, Any]]:
    """Return a run's metrics without those of the clock."""
    rows = read_metrics(path)
    return [{name: value for name, value in row.items() if "second" not in name} for row in rows]


@pytest.fixture(scope="module")
def kept() -> list[dict[str, Any]]:
    """The metrics of a run whose one server lives, once a test has trained it."""
    return []


@pytest.fixture
def expected(opened, model_folder: Path, said: list[str], kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The metrics of a run whose one server lives."""
    if not kept:
        with ModelServer(model_folder) as alone:
            kept += trained(opened(alone.url, name="alone"))
        assert not any("server" in line or "http" in line for line in said)
    return kept


def test_a_server_killed_in_the_middle_of_a_step_changes_no_number(
    opened, model_folder: Path, said, expected
):
    """Every response of the step is drawn once, by whichever server is there, from the newest weights."""
    # The first two steps are 32 responses and it draws half; it dies by SIGKILL in the third.
    with ModelServer(model_folder) as steady, ModelServer(model_folder, dies_after=19) as dying:
        found = trained(opened(dying.url, steady.url, name="both"))
        assert dying.dead
    assert found == expected and len(found) == 4
    assert any(line.startswith(f"{dying.url} is left out until it is well again: ") for line in said)
    assert all(row["sampling/mismatch_kl"] < 1e-6 for row in found)
    assert all(row["sampling/staleness"] == row["sampling/stale"] == 0 for row in found)


def test_without_any_server_a_run_ends_with_its_reasons_and_goes_on_later(
    opened, model_folder: Path, said, expected
):
    with ModelServer(model_folder, dies_after=40) as dying:
        session = opened(dying.url, sampling={"wait": 0.5})
        with pytest.raises(ModelError, match=f"no server is left to sample from: {dying.url}: ") as caught:
            trained(session)
    assert caught.value.exit_code == 2
    assert any("no server can be used" in line and "waiting" in line for line in said)
    folder = Path(session.recipe.output)
    status = read_status(folder)
    assert status is not None and status.state == RunState.FAILED and status.last_checkpoint == "step-000002"
    assert len(read_metrics(folder)) == 2
    with ModelServer(model_folder) as another:
        assert trained(opened(another.url)) == expected, "another address is no other recipe"


def test_a_server_that_holds_older_weights_is_found_by_its_log_probabilities(opened, model_folder: Path):
    """It takes five adapters, and says of all others that it has taken them."""
    health = {"rules": {"sampler_mismatch": {"nats": 0.002}}}  # the tiny policy does not move far
    with ModelServer(model_folder, holds=5) as behind:
        optim = {"schedule": "constant", "learning_rate": 5e-2}
        session = opened(behind.url, steps=10, optim=optim, health=health)
        rows = trained(session)
    gaps = [row["sampling/mismatch_kl"] for row in rows]
    assert max(gaps[:5]) < 1e-6 and gaps[-1] > 0.002
    [finding] = [one for one in read_findings(Path(session.recipe.output)) if one.rule == "sampler_mismatch"]
    assert finding.since > 5 and "nats per token away from the trainer" in finding.saw


def test_the_recipe_of_the_page_is_one():
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    section = page.partition("## Learners and servers")[2]
    text = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert text is not None
    recipe = Recipe.model_validate(yaml.safe_load(text[1]))
    require_read(recipe)
    assert recipe.sampling.served and recipe.online.oldest == 1


class Lagging(LocalSampler):
    """A sampler with weights of its own that misses those after step 2, and says which it has."""

    def refresh(self, model: Any, step: int) -> None:
        if step != 2:
            super().refresh(model, step)


def test_responses_of_weights_that_are_too_old_are_not_learnt_from(opened):
    session = opened(
        steps=6, online={"max_staleness": 1}, loss={"correction": "token_truncate"}, sampling={"servers": []}
    )
    local = session.sampler
    session.sampler = Lagging(session.model, local.tokenizer, stop_ids=local.stop_ids)
    session.ahead = Ahead()
    rows = trained(session)
    # Step 4's responses were drawn in step 3, from the weights after step 1: two steps behind.
    assert [row["sampling/stale"] for row in rows] == [0, 0, 0, PROMPTS * GROUP, 0, 0]
    assert [row["sampling/staleness"] for row in rows] == [0, 1, 1, 0, 1, 1]


@each("adapted", [False, True])
def test_servers_draw_from_the_weights_of_ranks_in_shards(
    two: Two, opened, model_folder: Path, adapted: bool
):
    """Rank 0 writes an adapter or all weights, joined from the parts of both."""

    def run_of(here: World, url: str, name: str, **changes: Any) -> list[dict[str, Any]]:
        session = opened(url, name=name, steps=2, lora={"r": 4} if adapted else None, **changes)
        return trained(session) if here.main else crew_of(session).follow() or []

    def work(here: World) -> object:
        if not here.main:
            return run_of(here, urls[0], f"ranks{adapted}", ranks={"shard": True})
        with apart():
            wanted = run_of(World(), urls[1], f"alone{adapted}")
        found = run_of(here, urls[0], f"ranks{adapted}", ranks={"shard": True})
        return [[{name: row[name] for name in wanted[0]} for row in found], wanted]

    with ModelServer(model_folder) as one, ModelServer(model_folder) as other:
        urls = [one.url, other.url]
        both = two(work)
    assert len(both[0]) == 2, both
    found, wanted = both[0]
    assert len(found) == len(wanted) == 2
    for row, other in zip(found, wanted, strict=True):
        assert row == pytest.approx(other, rel=1e-5, abs=1e-5)
    assert all(row["sampling/mismatch_kl"] < 1e-6 for row in found), "they have the newest weights"
    assert any(row["grad_norm"] > 0 for row in found)
