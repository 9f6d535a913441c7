"""Prompts whose rewards are all alike are replaced by others."""

from collections.abc import Sequence

from truing.core.records import Record, user
from truing.data.trees import Tree
from truing.rewards.mix import MixScores
from truing.rollouts.asking import Asked, ask_until_telling, joined
from truing.rollouts.prompts import Prompt
from truing.sampling.types import Finish, Sample


def asked(items: Sequence[int], telling: set[int]) -> Asked:
    """Two responses to each prompt; those of `telling` have different rewards."""
    prompts = [Prompt(Tree([item], ()), Record(user(str(item)))) for item in items]
    samples = [
        Sample([item], [], "", Finish.STOP, place, k) for place, item in enumerate(items) for k in (0, 1)
    ]
    totals = [float(k if item in telling else 0) for item in items for k in (0, 1)]
    return Asked(items=items, prompts=prompts, samples=samples, scores=MixScores({}, totals))


def test_a_prompt_tells_where_its_rewards_differ():
    one = asked([4, 7], {7})
    assert one.telling() == [1] and one.differ and not asked([4], set()).differ
    assert one.tokens == 8


def test_others_are_asked_until_enough_tell():
    rounds: list[list[int]] = []

    def ask(items: Sequence[int]) -> Asked:
        rounds.append(list(items))
        return asked(items, set(items) if len(rounds) == 2 else set())

    found = ask_until_telling(asked([0, 1], {1}), ask, 10, 5, seed=0, step=3)
    assert len(found) == 3 and [len(one) for one in rounds] == [1, 1]
    assert not {item for one in rounds for item in one} & {0, 1}
    together = joined(found, 2)
    assert list(together.items) == [1, rounds[1][0]]
    assert [sample.prompt for sample in together.samples] == [0, 0, 1, 1] and together.rewards == [0, 1, 0, 1]


def test_where_nothing_tells_all_of_the_last_round_stay():
    first = asked([0, 1], set())
    rounds = ask_until_telling(first, lambda items: asked(items, set()), 4, 1, seed=0, step=1)
    assert list(joined(rounds, 2).items) == list(rounds[-1].items) and len(rounds) == 2
