from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedModel

from truing.core.errors import MemoryShortError
from truing.core.records import Message, Record, reply, user
from truing.data.chat import make_renderer
from truing.data.packing import PackedBatch
from truing.data.trees import Branch, Tree
from truing.models.reward import RewardScorer
from truing.models.reward_folder import load_reward
from truing.models.room import Room
from truing.models.scoring import Trunk
from truing.rewards.build import build_mix
from truing.rewards.model import Host, ModelReward, differences, grafted
from truing.rewards.types import Failed, Item, ScoredItem

QUESTION = user("How do I bake bread?")


@pytest.fixture(scope="module")
def reward(reward_folder: Path) -> ModelReward:
    mix = build_mix([part(reward_folder)])
    found = mix.parts[0].reward
    assert isinstance(found, ModelReward)
    return found


def part(folder: Path, **options: object):
    from truing.config.rewards import RewardPart

    return RewardPart.model_validate({"name": "model", "path": str(folder), **options})


def values(outcomes: list) -> list[float]:
    assert all(isinstance(one, ScoredItem) for one in outcomes), outcomes
    return [one.value for one in outcomes]


def test_scores_are_those_of_each_response_alone(reward: ModelReward):
    items = [Item(QUESTION, text) for text in ("Mix flour.", "No.", "")] + [Item(user("你好"), "世界")]
    alone = []
    for item in items:
        tree = reward.renderer.tree(Record(item.prompt, (reply(item.response),)))
        row = torch.tensor([[*tree.prompt, *tree.branches[0].tokens]])
        with torch.no_grad():
            alone.append(float(reward.scorer.inner(input_ids=row).logits[0, 0]))
    assert len(set(alone)) == 4
    assert values(reward(items)) == pytest.approx(alone, abs=1e-5)
    assert values(reward(items[::-1])) == pytest.approx(alone[::-1], abs=1e-5)
    assert values(replace(reward, tokens_per_pass=1)(items)) == pytest.approx(alone, abs=1e-5)


def test_n3_responses_to_one_prompt_are_scored_apart_where_memory_is_short(
    reward: ModelReward, monkeypatch: pytest.MonkeyPatch
):
    items = [Item(QUESTION, text) for text in ("Mix flour.", "No.", "Ask a baker, then mix flour.", "Yes.")]
    wanted, sizes, states = values(reward(items)), list[int](), Trunk._states

    def limited(self: Trunk, batch: PackedBatch) -> torch.Tensor:
        sizes.append(batch.tokens.numel())
        if sizes[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return states(self, batch)

    monkeypatch.setattr(Trunk, "_states", limited)
    monkeypatch.setattr(reward.scorer, "room", Room())
    most = 10_000
    reward(items)
    most = max(sizes) - 1
    assert values(reward(items)) == pytest.approx(wanted, abs=1e-6)
    sizes.clear()
    reward(items)
    assert max(sizes) <= most, "the size is remembered"
    most = 1
    with pytest.raises(MemoryShortError, match=r"row \d of those that .* scores"):
        reward(items)


def test_a_response_that_is_too_long_fails_alone(reward: ModelReward):
    items = [
        Item(QUESTION, "Mix."),
        Item(QUESTION, "flour " * reward.context, place="rows.jsonl:7"),
        Item(QUESTION, "Yes."),
    ]
    first, second, third = reward(items)
    assert values([first, third]) == pytest.approx(values(reward([items[0], items[2]])), abs=1e-5)
    assert isinstance(second, Failed)
    assert f"reads {reward.context} tokens, and item 1 (rows.jsonl:7) has" in second.reason


def test_a_turn_that_the_template_refuses_fails_alone(reward_folder: Path, reward: ModelReward):
    strict = replace(reward, renderer=make_renderer(reward.renderer.encoder.tokenizer, "alpaca"))  # pyright: ignore[reportArgumentType]
    outcomes = strict([Item((Message("tool", "x"), *QUESTION), "a"), Item(QUESTION, "a")])
    assert isinstance(outcomes[0], Failed)
    assert "there is no place for a tool turn" in outcomes[0].reason
    assert isinstance(outcomes[1], ScoredItem)


def test_a_score_that_is_no_number_is_a_failure(reward: ModelReward, judge: Callable[[], PreTrainedModel]):
    broken = RewardScorer(load_reward(Path(reward.name), torch.float32, torch.device("cpu")).model)
    with torch.no_grad():
        broken.inner.get_parameter("score.weight").fill_(float("nan"))
    (outcome,) = replace(reward, scorer=broken)([Item(QUESTION, "Mix.")])
    assert outcome == Failed(f"{reward.name} on item 0: it gives nan")


def test_no_items(reward: ModelReward):
    assert reward([]) == []


def test_what_it_reads_otherwise_than_the_policy_is_told_once(reward_folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    said: list[str] = []
    build_mix([part(reward_folder)], host=Host(make_renderer(tokenizer)), say=said.append)
    assert said == []
    tokenizer.add_tokens(["<new>"])
    tokenizer.chat_template += " "
    build_mix([part(reward_folder)], host=Host(make_renderer(tokenizer)), say=said.append)
    build_mix([part(reward_folder, template="chat")], host=Host(make_renderer(tokenizer, "plain")))
    assert len(said) == 1
    assert said[0].endswith(" as text: it has another tokenizer and another template than the policy")


def test_differences(reward: ModelReward, reward_folder: Path):
    same = make_renderer(AutoTokenizer.from_pretrained(reward_folder))
    assert differences(reward.renderer, same) == []
    assert differences(reward.renderer, make_renderer(same.encoder.tokenizer, "plain")) == ["template"]


def tree(prompt: list[int], *lengths: int) -> Tree:
    return Tree(prompt, tuple(Branch([9] * length, [True] * length) for length in lengths))


def test_grafted_trees_hold_the_same_branches_and_keep_their_order():
    single = [tree([1], 1), tree([1], 2), tree([2], 3), tree([1], 4)]
    assert grafted(single, 100) == [tree([1], 1, 2), tree([2], 3), tree([1], 4)]
    assert grafted(single, 3) == single
    assert grafted([], 3) == []
