"""Online methods on a tiny policy that is rewarded for letters: learning, resuming, failures."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics
from truing.core.errors import ConfigError, DataError, RewardError
from truing.objectives.policy_gradient import Experience
from truing.runs.check import check_session
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.training.hooks import Hook, Logs

from ..tables import each
from ..two_ranks import Two

OWN = '''
def letters(responses):
    """Share of a response's characters that are lower-case letters."""
    return [sum(c.isascii() and c.islower() for c in text) / len(text) if text else 0.0 for text in responses]


def refusing(responses):
    return [None for _ in responses]


def every_third(prompts, responses):
    return [float("nan") if i % 3 == 0 else float(i) for i in range(len(responses))]


def same(responses):
    return [1.0] * len(responses)


def of_many(responses):
    """Fails on the few responses of an evaluation."""
    return letters(responses) if len(responses) > 3 else [float("nan")] * len(responses)
'''


@pytest.fixture(autouse=True)
def own_rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "toy_rewards.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("toy_rewards", None)


@pytest.fixture
def opened(model_folder: Path, tmp_path: Path) -> Callable[..., OnlineSession]:
    """Opens a session on twelve prompts; keyword arguments are keys of the recipe."""
    rows = tmp_path / "prompts.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"Question {i}?"}) + "\n" for i in range(12)))

    def make(method: str = "grpo", reward: str = "letters", **changes: Any) -> OnlineSession:
        recipe = {
            "method": method,
            "policy": str(model_folder),
            "data": {"train": str(rows)},
            "rewards": [{"name": f"toy_rewards:{reward}", "retries": 0}],
            "sampling": {"max_new_tokens": 6},
            "online": {"group_size": 4},
            "optim": {
                "learning_rate": 2e-2,
                "items_per_step": 6,
                "epochs": 20,
                "schedule": "constant",
                "warmup": 0,
            },
            "dtype": "float32",
            "output": str(tmp_path / "run"),
        }
        session = open_run(Recipe.model_validate(recipe | changes))
        assert isinstance(session, OnlineSession)
        return session

    return make


def trained(session: OnlineSession, folder: Path, watch: Hook | None = None) -> list[dict[str, Any]]:
    with RunFolder.open(folder) as opened:
        run(session, opened, watch=[watch] if watch else [])
        return read_metrics(opened.path)


def test_on_policy_the_ratio_is_one_and_nothing_is_clipped(opened):
    session = opened()
    passes, objective = session.first_step()
    with torch.no_grad():
        metrics = [objective(batch).metrics for batch in passes]
    for found in metrics:
        torch.testing.assert_close(found["ratio"].values, torch.ones_like(found["ratio"].values))
        assert float(found["clip_ratio/low"].values.sum() + found["clip_ratio/high"].values.sum()) == 0


def test_samples_scored_again_have_the_log_probabilities_they_were_drawn_with(opened):
    session = opened(online={"group_size": 4, "epochs": 2})  # several updates: the old ones are worked out
    items = session.plan.items_of(1)
    samples = session.ask(session.train, items, 1, 4).samples
    _, objective = session.first_step()
    drawn: dict[int, list[float]] = {}
    for sample in samples:
        drawn.setdefault(items[sample.prompt], []).extend(sample.logprobs)
    for item, logps in objective.experience.old.items():
        torch.testing.assert_close(logps, torch.tensor(drawn[item]), atol=1e-4, rtol=0)


def test_a_run_cut_short_goes_on_as_the_unbroken_one(opened, tmp_path):
    keys = {"optim": {"learning_rate": 1e-2, "items_per_step": 6, "epochs": 3}, "checkpoint": {"every": 1}}
    keys |= {"online": {"group_size": 4, "epochs": 2, "mini_batches": 2}, "lora": {"r": 4}}
    keys |= {"loss": {"kl_weight": 0.1, "kl": "k3_weighted"}}
    whole = trained(opened(**keys), tmp_path / "whole")

    def stop(step: int, logs: Logs) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(opened(**keys), tmp_path / "cut", stop)
    resumed = trained(opened(**keys), tmp_path / "cut")
    told = [key for key in whole[-1] if "second" not in key]
    assert [[row[key] for key in told] for row in resumed] == [[row[key] for key in told] for row in whole]


def test_responses_whose_reward_fails_are_left_out_and_counted(opened):
    session = opened(reward="every_third", online={"group_size": 4, "skip_failed": 0.5})
    gathered = session.gather(1)
    passes = gathered.updates[0]()
    assert sum(batch.branches for batch in passes) == 16
    assert gathered.logs["reward/failed"] == gathered.logs["rewards/every_third/failures"] == 8


def test_a_reward_that_always_fails_stops_the_run(opened):
    with pytest.raises(RewardError, match="24 of 24 responses have no reward"):
        opened(reward="refusing").gather(1)


@pytest.mark.parametrize(("uniform", "branches"), [("keep", 24), ("drop", 0)])
def test_groups_of_one_reward_teach_nothing(opened, tmp_path, uniform, branches):
    session = opened(reward="same", loss={"uniform": uniform}, optim={"items_per_step": 6, "max_steps": 2})
    gathered = session.gather(1)
    assert gathered.logs["frac_reward_zero_std"] == 1
    assert sum(b.branches for passes in gathered.updates for b in passes()) == branches
    before = {name: weight.clone() for name, weight in session.model.named_parameters()}
    trained(session, tmp_path / "run")
    assert all(torch.equal(weight, before[name]) for name, weight in session.model.named_parameters())


@pytest.mark.parametrize("method", ["grpo", "reinforce_pp"])
def test_rewards_that_tell_nothing_apart_are_told_of_at_once_and_once_more(opened, tmp_path, method):
    session = opened(method, reward="same", optim={"items_per_step": 6, "max_steps": 12, "epochs": 6})
    said: list[str] = []
    session.say = said.append
    trained(session, tmp_path / "run")
    assert [text.partition(" all ")[0] for text in said] == ["step 1:", "for 5 steps"]


def test_a_step_that_teaches_nothing_is_checked_in_words(opened):
    session = opened(reward="same", loss={"uniform": "drop"})
    said: list[str] = []
    session.say = said.append
    found = check_session(session)
    assert found.as_json()["loss"] is None
    assert any("nothing to learn from 6 items" in line for line in found.lines())
    assert "all responses to a prompt have the same reward" in said[0]


def test_a_run_without_a_reward_does_not_end_as_done(opened, tmp_path):
    """Nor does it where it goes on from its last step."""
    for _ in range(2):
        session = opened(
            reward="refusing",
            online={"group_size": 2, "skip_failed": 1.0},
            optim={"items_per_step": 2, "max_steps": 2},
        )
        said: list[str] = []
        session.say = said.append
        with pytest.raises(RewardError, match="no response had a reward in 2 steps"):
            trained(session, tmp_path / "run")
        assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
        assert all(
            "no response has a reward" in text and "all of them returned None" in text for text in said
        )


def test_an_evaluation_whose_every_reward_fails_has_no_number_and_is_no_best(opened, tmp_path):
    session = opened(
        reward="of_many",
        data={"train": str(tmp_path / "prompts.jsonl"), "eval_fraction": 0.25},
        online={"group_size": 2, "skip_failed": 1.0},
        optim={"items_per_step": 3, "max_steps": 2},
        evaluate={"every": 1},
    )
    failures: list[dict[str, Any]] = []
    session.log_failure = lambda step, row: failures.append(row)
    rows = trained(session, tmp_path / "run")
    assert [row["eval/rewards/of_many/failures"] for row in rows] == [3, 3]
    assert all("reward" in row and "eval/reward" not in row for row in rows)
    assert {(row["when"], row["failed"], row["of"]) for row in failures} == {("evaluation", 3, 3)}
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "done"


def test_a_group_of_one_is_refused_where_groups_teach(opened):
    for method in ("grpo", "rloo", "reinforce_pp_baseline"):
        with pytest.raises(ConfigError, match=f"{method} compares responses: one alone teaches nothing"):
            opened(method, online={"group_size": 1})


def test_prompts_of_the_evaluation_that_are_learnt_from_are_counted(opened, tmp_path):
    rows = tmp_path / "held.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"Question {i}?"}) + "\n" for i in range(9, 20)))
    session = opened(data={"train": str(tmp_path / "prompts.jsonl"), "eval": str(rows)})
    assert session.rows.summary["in_evaluation"] == 3


def test_the_first_step_is_checked_without_an_update(opened):
    found = check_session(opened())
    assert found.items == 6 and found.masks["branches"] == 24 and found.grad_norm > 0


def test_held_out_prompts_are_asked_and_the_best_reward_is_kept(opened, tmp_path):
    keys = {"data": {"train": str(tmp_path / "prompts.jsonl"), "eval_fraction": 0.25}}
    rows = trained(opened(**keys, evaluate={"every": 10}), tmp_path / "run")
    found = [row["eval/reward"] for row in rows if "eval/reward" in row]
    assert len(found) == 4 and found[0] < found[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"credit": "group_centered"}}, "did you mean 'group_centred'"),
        ({"loss": {"kl_weight": 0.1, "kl": "k1"}}, "k1 in the loss has no gradient"),
        ({"loss": {"kl_in": "reward", "kl": "k3"}}, "k3 in the reward"),
        ({"loss": {"hi": 0.3}}, "not 'hi'"),
        ({"rewards": []}, "nothing scores the responses"),
        ({"method": "gpro"}, "did you mean 'grpo'"),
    ],
)
def test_what_a_recipe_gets_wrong_is_told_before_anything_is_opened(opened, changes, message):
    with pytest.raises(ConfigError, match=message):
        opened(**changes)


def test_prompts_without_room_are_told(opened):
    with pytest.raises(DataError, match=r"12 of 12 rows are lost with data\.max_tokens 2048"):
        opened(sampling={"max_new_tokens": 2046})


def test_a_fixed_length_is_that_of_the_recipe(opened):
    session = opened(loss={"aggregation": "fixed_length"})
    (batch, *_), objective = session.first_step()
    (loss,), _ = objective(batch)
    mean = opened(loss={"aggregation": "response_sum"}).first_step()
    (whole,), _ = mean[1](mean[0][0])
    torch.testing.assert_close(loss.values * 6, whole.values)


def test_the_weight_of_the_kl_is_steered_and_resumed(opened, tmp_path):
    loss = {"kl_weight": 0.1, "kl": "k3", "kl_target": 1e-6, "kl_horizon": 240}
    session = opened(
        loss=loss, optim={"learning_rate": 1e-2, "items_per_step": 6, "epochs": 2, "max_steps": 3}
    )
    rows = trained(session, tmp_path / "run")
    # 24 responses of a horizon of 240 move it by at most 0.2 * 0.1; at step 1 the policy has not moved yet.
    weights = [0.1, 0.1 * 0.98, 0.1 * 0.98 * 1.02]
    assert [row["kl_weight"] for row in rows] == pytest.approx(weights)
    again = opened(loss=loss)
    again.restore(session.state())
    assert again.controller.weight == pytest.approx(weights[-1] * 1.02)


@each("adapted", [False, True])
def test_every_number_of_an_experience_is_on_both_ranks_that_of_one_process(two: Two, opened, adapted: bool):
    """Each rank draws and scores its share of the prompts; the rest comes from the other one."""
    keys = {"online": {"group_size": 3, "epochs": 2}}
    keys |= {"loss": {"kl_weight": 0.1}, "lora": {"r": 4} if adapted else None}

    def learnt(session: OnlineSession) -> Experience:
        objective: Any = session.gather(1).objective
        return objective.parts["learn"].experience

    wanted = vars(learnt(opened("ppo", **keys)))
    numbers = {one.name for one in fields(Experience)} - {"trees"}

    def work(shard: bool) -> object:
        found = vars(learnt(opened("ppo", ranks={"shard": shard}, **keys)))
        assert found["trees"] == wanted["trees"]
        return {
            name: max(float((found[name][i] - wanted[name][i]).abs().max()) for i in wanted[name])
            for name in numbers
        }

    for shard in (False, True):
        for gaps in two(lambda here, shard=shard: work(shard)):
            assert gaps.keys() == numbers
            assert max(gaps.values()) < 1e-4, (shard, gaps)
