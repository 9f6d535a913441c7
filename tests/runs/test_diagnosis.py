"""A number that is not finite ends a run before it moves a weight, with the cause; or its step is skipped."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics, read_status
from truing.core.errors import DivergedError
from truing.data.packing import PackedBatch
from truing.models.scoring import Scorer, Scores
from truing.models.world import World
from truing.objectives.offline import PairObjective
from truing.rollouts.experience import Teacher
from truing.runs import diagnosis, policies
from truing.runs.crew import crew_of
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.runs.session import Session
from truing.runs.train import train_recipe
from truing.training.hooks import Hook, Logs
from truing.training.step import DivergedItems

from ..two_ranks import Two

BAD = 5  # the item whose numbers are made not finite: row 6 of the file
PACE = ("seconds", "tokens_per_second")
Inject = Callable[[Any], object]
Train = Callable[..., Path]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    (tmp_path / "told_rewards.py").write_text(
        "def letters(responses):\n    return [float(len(set(text))) for text in responses]\n"
        "def huge(responses):\n    return [(-1.0) ** place * 1e38 for place in range(len(responses))]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("told_rewards", None)


def recipe_of(model_folder: Path, pairs_file: Path, output: Path, **changes: Any) -> Recipe:
    recipe: dict[str, Any] = {
        "method": "dpo",
        "policy": str(model_folder),
        "data": {"train": str(pairs_file)},
        "lora": {"r": 2, "dropout": 0.1},
        "optim": {"learning_rate": 1e-3, "items_per_step": 4, "epochs": 2, "warmup": 0},
        "checkpoint": {"every": 1, "keep": 9},
        "dtype": "float32",
        "output": str(output),
    }
    for key, value in changes.items():
        recipe[key] = recipe[key] | value if isinstance(recipe.get(key), dict) and value else value
    return Recipe.model_validate(recipe)


@pytest.fixture
def train(model_folder: Path, pairs_file: Path, tmp_path: Path) -> Train:
    """Runs DPO on twelve pairs, four a step, after `inject` was called with the session."""

    def one(
        name: str,
        inject: Inject = lambda session: None,
        watch: Hook = lambda step, logs: None,
        **changes: Any,
    ) -> Path:
        recipe = recipe_of(model_folder, pairs_file, tmp_path / name, **changes)
        with RunFolder.open(tmp_path / name) as folder:
            session = open_run(recipe)
            inject(session)
            run(session, folder, watch=[watch])
        return tmp_path / name

    return one


def told(run: Path, step: int) -> dict[str, Any]:
    """The diagnosis of a step."""
    return json.loads((run / "diagnosis" / f"step-{step:06d}.json").read_text())


class Spoilt:
    """A reference whose numbers of one row are infinite."""

    def __init__(self, reference: Callable[[PackedBatch], Tensor]) -> None:
        self.reference = reference

    def __call__(self, batch: PackedBatch) -> Tensor:
        logps = self.reference(batch).clone()
        for item, places in batch.by_item(torch.arange(len(logps))).items():
            if item == BAD:
                logps[places] = math.inf
        return logps


def spoil_a_row(session: Session) -> None:
    objective = session.objective
    assert isinstance(objective, PairObjective) and objective.reference is not None
    session.objective = replace(objective, reference=Spoilt(objective.reference))


def spoil_the_base(session: Session) -> None:
    with torch.no_grad():
        dict(session.scorer.named_parameters())[
            "model.base_model.model.model.layers.1.mlp.down_proj.base_layer.weight"
        ][0, 0] = math.nan


def spoil_a_gradient(session: Session) -> None:
    """The square root of a weight that is 0 is finite, and its slope is not."""

    def slope(_module: object, _inputs: object, output: Tensor) -> Tensor:
        return output + 0 * (output - output.detach()).abs().sqrt()

    session.scorer.inner.model.layers[1].mlp.register_forward_hook(slope)


def finite(run: Path) -> bool:
    files = [path for path in run.rglob("*.safetensors") if path.parent.name.startswith("step-")]
    return all(bool(one.isfinite().all()) for path in files for one in load_file(path).values())


def test_n1_a_row_that_makes_it_alone_is_named_as_the_cause(train, tmp_path):
    with pytest.raises(DivergedError, match=r"the data are the cause: .* pairs\.jsonl:6 are not") as caught:
        train("run", spoil_a_row)
    assert caught.value.exit_code == 4
    assert "truing data show" in caught.value.hint and "step-000003.json says more" in caught.value.hint
    found = told(tmp_path / "run", 3)
    assert (found["cause"], found["step"], found["metrics"]) == ("data", 3, {"loss": "nan"})
    assert {row["row"]: row["alone"] for row in found["rows"] if row["alone"]} == {
        "pairs.jsonl:6": "loss is nan"
    }
    assert len(found["rows"]) == 4 and [row["step"] for row in found["before"]] == [1, 2]
    assert found["before"][1]["loss"] > 0 and found["learning_rate"] > 0
    ids = load_file(tmp_path / "run" / "diagnosis" / "step-000003.safetensors")
    sizes = {f"{row['item']}.{k}": n for row in found["rows"] for k, n in enumerate(row["tokens"])}
    assert {name: len(one) for name, one in ids.items()} == sizes
    assert finite(tmp_path / "run") and read_status(tmp_path / "run").last_checkpoint == "step-000002"


def test_n1_a_parameter_of_the_base_is_named_as_the_cause(train, tmp_path):
    with pytest.raises(DivergedItems, match=r"the base is the cause: the parameter .*down_proj") as caught:
        train("run", spoil_the_base)
    assert told(tmp_path / "run", 1)["cause"] == "base" and "begin from other weights" in caught.value.hint
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.parametrize("lora", [{"r": 2}, None], ids=["adapter", "full"])
@pytest.mark.parametrize("every", [1, 100])
def test_n1_an_update_that_blew_the_weights_is_named_as_the_cause(train, tmp_path, lora, every):
    rate = {"learning_rate": 1e30, "schedule": "constant"}
    with pytest.raises(
        DivergedItems, match=r"the rate is the cause: .* with the weights after step 0"
    ) as caught:
        train("run", lora=lora, optim=rate, checkpoint={"every": every})
    found = told(tmp_path / "run", 2)
    assert (found["cause"], found["updates"]) == ("rate", 1)
    assert found["first"].startswith("the output of model.") and found["largest"][1] > 1e29
    assert "--set optim.learning_rate=1e+29 --allow-change" in caught.value.hint
    assert finite(tmp_path / "run")


def test_n1_a_gradient_names_the_module_where_it_began(train, tmp_path):
    with pytest.raises(DivergedItems, match=r"grad_norm is nan .* at step 1"):
        train("run", spoil_a_gradient)
    found = told(tmp_path / "run", 1)
    assert found["first"].startswith("the gradient at the output of ") and "layers" in found["first"]
    assert all(row["alone"] == "grad_norm is nan" for row in found["rows"])


def test_n1_an_evaluation_is_looked_into_with_its_own_rows(train, tmp_path):
    held = {"data": {"eval_fraction": 0.25}, "evaluate": {"every": 1}, "optim": {"learning_rate": 1e30}}
    with pytest.raises(DivergedItems, match=r"evaluation loss is nan .*: the rate is the cause"):
        train("run", checkpoint={"every": 100}, **held)
    found = told(tmp_path / "run", 1)
    assert (found["when"], len(found["rows"]), found["updates"]) == ("evaluate", 3, 1)


ONLINE: dict[str, Any] = {
    "method": "grpo",
    "rewards": [{"name": "told_rewards:letters"}],
    "sampling": {"max_new_tokens": 4},
    "online": {"group_size": 4},
    "optim": {"items_per_step": 3, "max_steps": 2},
}


def test_n1_an_advantage_names_its_row(train, tmp_path, monkeypatch):
    credit = Teacher._credit

    def spoilt(self: Teacher, *given: Any) -> Tensor:
        advantages = credit(self, *given).clone()
        advantages[0] = math.nan
        return advantages

    monkeypatch.setattr(Teacher, "_credit", spoilt)
    with pytest.raises(DivergedItems, match=r"the advantages of pairs\.jsonl:\d+ are not finite"):
        train("run", **ONLINE)
    found = told(tmp_path / "run", 1)
    assert (found["cause"], found["metrics"]["loss"]) == ("data", "nan") and found["metrics"]["reward"] > 0
    assert [row["given"] for row in found["rows"] if row["alone"]] == [["advantages"]]


def test_n1_a_reward_names_itself(train, tmp_path):
    with pytest.raises(DivergedItems, match="the reward is the cause"):
        train("run", **ONLINE | {"rewards": [{"name": "told_rewards:huge"}]})
    assert told(tmp_path / "run", 1)["cause"] == "reward"


def test_n1_logits_of_a_response_are_drawn_again_with_the_weights_of_the_start(train, tmp_path):
    steps = {"optim": {"items_per_step": 3, "max_steps": 2, "learning_rate": 1e30}}
    with pytest.raises(DivergedItems, match=r"logits of a response are not .*: the rate is the cause"):
        train("run", **ONLINE | steps, checkpoint={"every": 100})
    found = told(tmp_path / "run", 2)
    assert found["earlier"] == [{"step": 0, "rows": []}]


@pytest.mark.parametrize("rows", [1, 12])
def test_n1_a_reference_that_is_not_finite_is_looked_into_before_the_first_step(
    model_folder, pairs_file, tmp_path, monkeypatch, rows
):
    """The log-probabilities of one row, or of all, are infinite where the reference scores them."""
    scored = Scorer.forward

    def spoilt(self: Scorer, batch: PackedBatch, **how: Any) -> Scores:
        found = scored(self, batch, **how)
        hit = [item for item in batch.items if item == BAD or rows > 1]
        if torch.is_grad_enabled() or not hit:
            return found
        logps = found.logps.clone()
        for item, places in batch.by_item(torch.arange(len(logps))).items():
            logps[places] = math.inf if item in hit else logps[places]
        return replace(found, logps=logps)

    recipe = recipe_of(model_folder, pairs_file, tmp_path / "run")
    with RunFolder.open(tmp_path / "run") as folder:
        lines = nullcontext(SimpleNamespace(step=lambda step, logs: None))
        monkeypatch.setattr(policies, "choose_layout", lambda scorer, asked: ("trees", ""))
        monkeypatch.setattr(Scorer, "forward", spoilt)
        cause = "the data are the cause: .*pairs.jsonl:6" if rows == 1 else "the base is the cause"
        with pytest.raises(DivergedItems, match=cause) as caught:
            train_recipe(recipe, folder, lambda line: None, lambda title, steps: lines)
    found = told(tmp_path / "run", 0)
    assert (found["when"], found["cause"]) == ("reference", "data" if rows == 1 else "base")
    assert found["rows"] == ["pairs.jsonl:6"] if rows == 1 else len(found["rows"]) > 1
    assert "step-000000.json says more" in caught.value.hint


# Steps that are skipped


def end_of(run: Path) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    rows = [{key: value for key, value in row.items() if key not in PACE} for row in read_metrics(run)]
    kept = [load_file(newest / f"{name}.safetensors") for name in ("model", "optimizer")]
    return kept[0] | kept[1], rows


def test_n1_steps_are_skipped_as_often_as_the_recipe_says(train, tmp_path, capsys):
    run = train("run", spoil_a_row, health={"skip_nonfinite": 2, "action": "stop"})
    rows = read_metrics(run)
    assert {row["step"]: row["skipped"] for row in rows if "skipped" in row} == {3: 1, 6: 2}
    assert [row["loss"] for row in rows if "skipped" in row] == [None, None]
    assert read_status(run).skipped == 2 and not (run / "health.jsonl").exists()
    before, after = (load_file(run / "checkpoints" / f"step-00000{n}" / "model.safetensors") for n in (2, 3))
    assert all(torch.equal(before[name], after[name]) for name in before), "nothing has moved"
    with pytest.raises(DivergedItems, match=r"at step 6: the data are the cause"):
        train("once", spoil_a_row, health={"skip_nonfinite": 1})
    assert read_status(tmp_path / "once").skipped == 1


@pytest.mark.parametrize("cut", [3, 4])
def test_n1_a_run_that_is_resumed_behind_a_skipped_step_is_the_unbroken_one(train, tmp_path, cut):
    def stop(step: int, logs: Logs) -> None:
        if step == cut:
            raise KeyboardInterrupt

    skips = {"health": {"skip_nonfinite": 2}}
    whole = end_of(train("whole", spoil_a_row, **skips))
    with pytest.raises(KeyboardInterrupt):
        train("cut", spoil_a_row, stop, **skips)
    found = end_of(train("cut", spoil_a_row, **skips))
    assert found[1] == whole[1] and found[0].keys() == whole[0].keys()
    assert all(torch.equal(found[0][name], whole[0][name]) for name in whole[0])


def test_a_search_that_fails_leaves_the_error_as_it_was(train, monkeypatch, caplog):
    def fails(*given: Any) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(diagnosis, "measure", fails)
    with pytest.raises(DivergedItems, match=r"loss is nan \(rows .*\) at step 3$"):
        train("run", spoil_a_row)
    assert "no luck" in caplog.text


# Several ranks


@pytest.mark.parametrize("shard", [False, True], ids=["replicated", "shards"])
def test_n1_each_rank_leaves_what_it_has_found(two: Two, model_folder, pairs_file, tmp_path, shard):
    """The row is met by one rank alone; in shards all ranks do all rows together."""

    def work(here: World) -> object:
        recipe = recipe_of(model_folder, pairs_file, tmp_path / "run", ranks={"shard": shard})
        if here.main:
            with RunFolder.open(tmp_path / "run") as folder:
                session = open_run(recipe)
                spoil_a_row(session)
                run(session, folder)
        else:
            session = open_run(recipe)
            spoil_a_row(session)
            crew_of(session).follow()
        return None

    first, second = two(work)
    assert first[0] == second[0] == "DivergedItems" and first[1] == second[1]
    assert "the data are the cause: the reference's log-probabilities of pairs.jsonl:6" in first[1]
    files = sorted((tmp_path / "run" / "diagnosis").glob("*.json"))
    assert [path.name for path in files] == ["step-000003.rank-0.json", "step-000003.rank-1.json"]
    found = [json.loads(path.read_text()) for path in files]
    rows = [{row["row"]: bool(row["alone"]) for row in one["rows"]} for one in found]
    assert rows[0] == rows[1] if shard else not rows[0].keys() & rows[1].keys()
    assert [one["rank"] for one in found] == [0, 1] and sum(sum(one.values()) for one in rows) == 1 + shard
