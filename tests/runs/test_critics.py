"""PPO on a tiny policy: four roles on one backbone, what a step learns from, and runs that resume."""

import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from truing.config.recipe import Recipe
from truing.config.run_folder import RunFolder, read_metrics
from truing.core.errors import ConfigError
from truing.models.roles import playing
from truing.models.trained import load_trained_reward
from truing.models.world import World
from truing.rewards.model import ModelReward, model_reward
from truing.rollouts.ahead import Ahead
from truing.runs.crew import crew_of
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import run, write_result
from truing.sampling.local import LocalSampler
from truing.training.hooks import Hook, Logs

from ..two_ranks import Two
from .ends import assert_same

OWN = '''
def letters(responses):
    """Share of a response's characters that are lower-case letters."""
    return [sum(c.isascii() and c.islower() for c in text) / len(text) if text else 0.0 for text in responses]


def even(prompts, responses):
    """Nothing a policy could change, and all a critic can know."""
    return [float(int(turns[0]["content"][9:-1]) % 2 == 0) for turns in prompts]


def first_wins(prompts, responses):
    return [float(i % 4 == 0 and "3" in prompts[i][0]["content"]) for i in range(len(responses))]
'''
PAIRS = [
    {"prompt": f"Question {i}?", "chosen": "of course, gladly", "rejected": f"NO {i} NO!"} for i in range(12)
]


@pytest.fixture(autouse=True)
def own_rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "ppo_rewards.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("ppo_rewards", None)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    return path


@pytest.fixture
def opened(model_folder: Path, tmp_path: Path, rows: Path) -> Callable[..., OnlineSession]:
    """Opens a PPO session on twelve prompts; keyword arguments are keys of the recipe."""

    def make(reward: str = "ppo_rewards:letters", **changes: Any) -> OnlineSession:
        recipe = {
            "method": "ppo",
            "policy": str(model_folder),
            "data": {"train": str(rows)},
            "lora": {"r": 4},
            "rewards": [{"name": reward}],
            "sampling": {"max_new_tokens": 6},
            "optim": {"learning_rate": 1e-2, "items_per_step": 6, "epochs": 2, "schedule": "constant"},
            "dtype": "float32",
            "output": str(tmp_path / "run"),
        }
        session = open_run(Recipe.model_validate(recipe | changes))
        assert isinstance(session, OnlineSession)
        return session

    return make


@pytest.fixture
def reward_run(model_folder: Path, tmp_path: Path, rows: Path) -> Callable[..., Path]:
    """Trains a reward model of the tiny policy and returns its run folder."""

    def make(**changes: Any) -> Path:
        recipe = Recipe.model_validate(
            {
                "method": "reward",
                "policy": str(model_folder),
                "data": {"train": str(rows)},
                "lora": {"r": 2},
                "optim": {"learning_rate": 1e-2, "items_per_step": 6, "epochs": 3},
                "dtype": "float32",
                "output": str(tmp_path / "reward"),
            }
            | changes
        )
        session = open_run(recipe)
        with RunFolder.open(recipe.output) as folder:
            run(session, folder)
            write_result(session, folder.path / "model", {})
        return Path(recipe.output)

    return make


def trained(session: OnlineSession, folder: Path, watch: Hook | None = None) -> list[dict[str, Any]]:
    with RunFolder.open(folder) as opened:
        run(session, opened, watch=[watch] if watch else [])
        return read_metrics(opened.path)


def one_batch(session: OnlineSession, role: str):
    passes, objective = session.first_step()
    return next(batch for batch in passes if batch.role == role), objective


def test_four_roles_share_one_backbone(opened, reward_run):
    folder = reward_run()
    session = opened(rewards=[{"name": "model", "path": str(folder)}])
    model = session.model
    assert isinstance(model, PeftModel)
    assert set(model.peft_config) == {"default", "reward_1", "critic"}
    reward = session.rewards.parts[0].reward
    assert isinstance(reward, ModelReward) and reward.scorer.model is model
    names = [set(part.parameters) for part in session.parts]
    assert len(names) == 2 and not names[0] & names[1]
    assert all(".default." in name for name in names[0])
    assert all(".critic." in name or name == "critic.head.weight" for name in names[1])


def test_a_shared_reward_model_scores_as_the_merged_one(opened, reward_run):
    folder = reward_run()
    session = opened(rewards=[{"name": "model", "path": str(folder)}])
    asked = session.ask(session.train, range(6), 1, 2)
    items = [asked.prompts[sample.prompt].item(sample) for sample in asked.samples]
    apart = model_reward(None, print, path=str(folder))(items)
    for shared, own in zip(session.rewards.parts[0].reward(items), apart, strict=True):
        assert shared.value == pytest.approx(own.value, abs=1e-5)  # pyright: ignore


def test_a_reward_model_of_other_weights_is_a_model_of_its_own(opened, reward_run, model_folder, tmp_path):
    folder = reward_run(policy=str(_copied(model_folder, tmp_path / "elsewhere")))
    session = opened(rewards=[{"name": "model", "path": str(folder)}])
    reward = session.rewards.parts[0].reward
    assert isinstance(reward, ModelReward) and reward.scorer.model is not session.model
    assert session.critic is not None and session.critic.critic.role is None


def _copied(folder: Path, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_roles_leave_each_other_alone(opened, reward_run):
    """The policy with other roles beside it is the policy; each role trains nothing but itself."""
    folder = reward_run()
    alone, session = opened(), opened(rewards=[{"name": "model", "path": str(folder)}])
    batch, objective = one_batch(session, "learn")
    torch.testing.assert_close(session.scorer(batch).logps, alone.scorer(batch).logps)
    before = session.scorer(batch).logps.detach()
    with playing(session.model, None):
        reference = session.scorer(batch).logps
    torch.testing.assert_close(before, reference)  # a fresh adapter is no change
    value, _ = one_batch(session, "value")
    sum(tally.values.sum() for tally in objective(value).losses).backward()
    moved = {name for name, one in session.model.named_parameters() if one.grad is not None}
    assert moved and all(".critic." in name for name in moved)
    session.model.zero_grad()
    sum(tally.values.sum() for tally in objective(batch).losses).backward()
    moved = {name for name, one in session.model.named_parameters() if one.grad is not None}
    assert moved and all(".default." in name for name in moved)


def test_the_critic_begins_as_the_reward_model(opened, reward_run):
    folder = reward_run()
    session = opened(rewards=[{"name": "model", "path": str(folder)}])
    batch, _ = one_batch(session, "value")
    # The value before the first token is what the reward model says of the prompt: its last state's score.
    values = session.critic.critic(batch)
    scores = load_trained_reward(str(folder)).model
    first = torch.tensor([int((batch.response < k).sum()) for k in range(batch.branches)])
    for k, item in enumerate(batch.items):
        prompt = torch.tensor([session.train[item].tree.prompt])
        expected = scores(input_ids=prompt, attention_mask=torch.ones_like(prompt)).logits[0, 0]
        assert float(values[first[k]].detach()) == pytest.approx(float(expected.detach()), abs=1e-4)


def test_returns_are_what_was_rewarded_and_advantages_are_white(opened):
    session = opened(loss={"kl_weight": 0.0, "lam": 1.0})
    experience = session.gather(1).objective.parts["learn"].experience
    flat = torch.cat(list(experience.advantages.values()))
    assert float(flat.mean()) == pytest.approx(0, abs=1e-5)
    assert float(flat.std(correction=0)) == pytest.approx(1, abs=1e-3)
    asked = session.ask(session.train, session.plan.items_of(1), 1, 1)
    for item, reward in zip(asked.items, asked.scores.totals, strict=True):
        # With gamma = lambda = 1 and no KL, every token's return is the response's reward.
        torch.testing.assert_close(
            experience.returns[item], torch.full_like(experience.returns[item], reward)
        )


@pytest.mark.parametrize(("lora", "rate"), [({"r": 4}, 1e-2), (None, 2e-3)])
def test_the_critic_learns_what_to_expect(opened, tmp_path, lora, rate):
    optim = {"learning_rate": 1e-6, "items_per_step": 12, "epochs": 25, "schedule": "constant", "warmup": 0}
    keys = {"loss": {"kl_weight": 0.0, "lam": 1.0, "value_clip": 100.0}, "critic": {"learning_rate": rate}}
    session = opened(
        "ppo_rewards:even", optim=optim, lora=lora, online={"epochs": 4, "group_size": 2}, **keys
    )
    rows = trained(session, tmp_path / "run")
    known = [row["value/explained_variance"] for row in rows]
    assert known[0] < 0 and sum(known[-3:]) / 3 > 0.3


def test_a_reward_folder_begins_a_critic_in_full_training(opened, reward_run, tmp_path):
    folder = reward_run(lora=None)
    session = opened(lora=None, rewards=[{"name": "model", "path": str(folder)}])
    critic = session.critic
    assert critic.critic.model is not session.model and len(critic.parameters) > 10
    rows = trained(session, tmp_path / "run")
    assert rows[-1]["grad_norm/critic"] > 0


@pytest.mark.parametrize(
    ("lora", "of_the_policy"), [({"r": 4}, True), ({"r": 4}, False), (None, True)], ids=repr
)
def test_a_reward_model_and_its_critic_work_beside_a_policy_in_shards(
    two: Two, opened, reward_run, rows, model_folder, tmp_path, lora, of_the_policy
):
    """The critic is an adapter of the backbone, an adapter of another model, or a model that trains whole."""
    policy = model_folder if of_the_policy else _copied(model_folder, tmp_path / "elsewhere")
    folder = reward_run(lora={"r": 2} if lora else None, policy=str(policy))
    keys = {"lora": lora, "rewards": [{"name": "model", "path": str(folder)}]}
    keys |= {"data": {"train": str(rows), "ptx": str(rows), "eval_fraction": 0.2}}

    def learnt(here: World, **changes: Any) -> list[Logs]:
        crew = crew_of(opened(**keys, **changes))
        if not here.main:
            crew.follow()
            return []
        found = [crew("learn", 1), crew("learn", 2), crew("evaluate")]
        crew.dismiss()
        return found

    wanted = learnt(World())
    found, _ = two(lambda here: learnt(here, ranks={"shard": True}))
    for one, other in zip(found, wanted, strict=True):
        assert {name: one[name] for name in other} == pytest.approx(other, rel=1e-5, abs=1e-5)
    assert found[0]["grad_norm/critic"] > 0 and "loss/ptx" in found[0]


def test_updates_end_where_the_policy_has_moved_far_enough(opened, tmp_path):
    optim = {"learning_rate": 0.05, "items_per_step": 6, "max_steps": 1, "warmup": 0}
    moved = trained(opened(optim=optim, online={"epochs": 6}), tmp_path / "free")
    held = trained(opened(optim=optim, online={"epochs": 6, "target_kl": 1e-4}), tmp_path / "held")
    assert moved[0]["updates"] == 6 and 2 <= held[0]["updates"] < 6


KEYS = {
    "optim": {"learning_rate": 1e-2, "items_per_step": 6, "epochs": 3},
    "checkpoint": {"every": 1},
    "online": {"group_size": 2, "epochs": 2, "mini_batches": 2},
    "loss": {"kl_weight": 0.1, "kl_target": 0.01, "kl_horizon": 100},
    "evaluate": {"every": 2},
}


def test_a_run_killed_between_the_updates_of_a_step_goes_on_as_the_unbroken_one(opened, rows, tmp_path):
    """R2: what was sampled and learnt of the step is made again, and the weight of the KL is known."""
    keys = KEYS | {"data": {"train": str(rows), "ptx": str(rows), "eval_fraction": 0.2}}
    trained(opened(**keys), tmp_path / "whole")
    session = opened(**keys)
    gather = session.gather

    def dies_in_the_third_update(step: int):
        gathered = gather(step)
        if step == 4:

            def killed():
                raise KeyboardInterrupt

            gathered.updates[2] = killed
        return gathered

    session.gather = dies_in_the_third_update
    with pytest.raises(KeyboardInterrupt):
        trained(session, tmp_path / "cut")
    trained(opened(**keys), tmp_path / "cut")
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_text_kept_beside_the_reward_becomes_likelier(opened, rows, tmp_path):
    optim = {"learning_rate": 1e-2, "items_per_step": 6, "epochs": 10, "schedule": "constant"}
    data = {"train": str(rows), "ptx": str(rows), "ptx_weight": 2.0}
    found = trained(opened(optim=optim, data=data), tmp_path / "run")
    without = {"train": str(rows), "ptx": str(rows), "ptx_weight": 1e-9}
    apart = trained(opened(optim=optim, data=without), tmp_path / "apart")
    assert found[-1]["loss/ptx"] < found[0]["loss/ptx"] - 0.3
    assert found[0]["loss/ptx"] < apart[-1]["loss/ptx"]


def test_a_response_without_an_end_pays_for_it(opened):
    plain, fined = opened(), opened(online={"missing_eos_penalty": 3.0})
    asked = plain.ask(plain.train, plain.plan.items_of(1), 1, 1)
    free, paid = (one.gather(1).objective.parts["learn"].experience.returns for one in (plain, fined))
    cut = dict(zip(asked.items, asked.rollouts.truncated, strict=True))
    assert any(cut.values())
    for item, is_cut in cut.items():
        assert float(free[item][-1] - paid[item][-1]) == pytest.approx(3.0 * is_cut, abs=1e-4)


def test_responses_cut_off_can_be_left_out_of_the_loss(opened):
    session = opened(online={"truncated": "mask", "group_size": 4})
    asked = session.ask(session.train, session.plan.items_of(1), 1, 4)
    passes, _ = session.first_step()
    kept = sum(batch.branches for batch in passes if batch.role == "learn")
    assert kept == asked.rollouts.truncated.count(False)


def test_only_the_least_certain_tokens_are_learnt_from(opened):
    session = opened(loss={"entropy_share": 0.25, "whiten": False})
    advantages = torch.cat(list(session.gather(1).objective.parts["learn"].experience.advantages.values()))
    assert int((advantages != 0).sum()) == round(0.25 * len(advantages))


def test_prompts_that_teach_nothing_are_replaced(opened):
    optim = {"items_per_step": 3, "epochs": 1}
    keys = {"method": "grpo", "optim": optim, "loss": {"uniform": "drop"}}
    session = opened("ppo_rewards:first_wins", **keys, online={"group_size": 4, "resample": 12})
    # Of twelve prompts only those with a 3 (number 3 alone) tell responses apart.
    gathered = session.gather(1)
    assert list(gathered.objective.experience.trees) == [3]
    assert session.gather(1).logs["reward"] == gathered.logs["reward"]


def test_samples_of_another_distribution_are_weighed(opened):
    plain = opened(method="grpo", online={"group_size": 4})
    hot = opened(method="grpo", online={"group_size": 4}, loss={"correction": "token_truncate"})
    (batch, *_), objective = hot.first_step()
    weights = objective(batch).metrics["sampling/weight"].values
    torch.testing.assert_close(weights, torch.ones_like(weights), atol=1e-4, rtol=0)
    hot.recipe = hot.recipe.model_copy(
        update={"sampling": hot.recipe.sampling.model_copy(update={"temperature": 2.0})}
    )
    (batch, *_), objective = hot.first_step()
    metrics = objective(batch).metrics
    gap, weight = (metrics[f"sampling/{name}"].values for name in ("logp_gap", "weight"))
    assert float(gap.mean()) > 0.01 and float((weight - 1).abs().mean()) > 0.01
    assert "sampling/weight" not in plain.first_step()[1](plain.first_step()[0][0]).metrics


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"critic": {"start": "reward"}}, "no reward is a model"),
        ({"loss": {"value_loss": "cliped_value"}}, "did you mean 'clipped_value'"),
        ({"loss": {"correction": "token_trunc"}}, "did you mean 'token_truncate'"),
        ({"loss": {"entropy_share": 0}}, "above 0 and at most 1"),
        ({"method": "grpo", "loss": {"whiten_rewards": True}}, "takes none"),
        ({"method": "grpo", "loss": {"lam": 1.0}}, "not 'lam'"),
    ],
)
def test_what_a_recipe_gets_wrong_is_told(opened, changes, message):
    with pytest.raises(ConfigError, match=message):
        opened(**changes)


def test_text_to_keep_up_is_refused_where_nothing_is_sampled(opened, rows):
    with pytest.raises(ConfigError, match=r"data.ptx is not read by dpo"):
        opened(method="dpo", rewards=[], data={"train": str(rows), "ptx": str(rows)})


class Apart(LocalSampler):
    """A sampler with weights of its own, as a server has them."""

    def refresh(self, model: Any, step: int) -> None:
        super().refresh(copy.deepcopy(model), step)


def overlapped(session: OnlineSession) -> OnlineSession:
    local = session.sampler
    assert isinstance(local, LocalSampler)
    session.sampler = Apart(copy.deepcopy(session.model), local.tokenizer, stop_ids=local.stop_ids)
    session.ahead = Ahead()
    return session


def test_responses_drawn_ahead_are_one_step_old_and_resumed(opened, tmp_path):
    """R2: the checkpoint lies between the drawing of responses and the step that learns from them."""
    keys = KEYS | {"method": "grpo", "loss": {"correction": "token_truncate"}}
    keys |= {"online": {"group_size": 2, "max_staleness": 1}, "evaluate": {}}
    whole = trained(overlapped(opened(**keys)), tmp_path / "whole")
    assert [row["sampling/staleness"] for row in whole] == [0.0] + [1.0] * (len(whole) - 1)
    assert whole[-1]["sampling/logp_gap"] > 1e-3

    def stop(step: int, logs: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(overlapped(opened(**keys)), tmp_path / "cut", stop)
    trained(overlapped(opened(**keys)), tmp_path / "cut")
    assert_same(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"online": {"overlap": True}}, "needs servers"),
        ({"online": {"overlap": True}, "sampling": {"servers": ["http://127.0.0.1:1"]}}, "one step old"),
    ],
)
def test_overlap_needs_servers_and_a_correction(opened, changes, message):
    with pytest.raises(ConfigError, match=message):
        opened(**changes)
