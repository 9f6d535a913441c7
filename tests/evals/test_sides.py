"""A side remembers its responses, and draws by the text of a prompt."""

import math
from pathlib import Path

import pytest

from truing.core.records import Record, key_of, user
from truing.evals.kept import KeptResponses
from truing.evals.sides import Question, Side, response_of
from truing.judges.cache import AnswerCache
from truing.sampling.types import Finish, Sample, Sampling

ASKED = [Question("a", user("one")), Question("b", user("two")), Question("c", user("one"))]
GREEDY = Sampling(max_new_tokens=4)


class Counting:
    """A speaker that numbers its responses, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def prompt_ids(self, asked: Record) -> list[int]:
        return [1, 2]

    def batches(self, prompts, sampling, *, group_size) -> list[list[int]]:
        return [[place] for place in reversed(range(len(prompts)))]

    def answer(self, prompts, sampling, *, group_size, keys, on_progress) -> list[Sample]:
        on_progress(len(prompts) * group_size, len(prompts) * group_size)
        self.asked += [(one.prompt[0].content, key) for one, key in zip(prompts, keys, strict=True)]
        pairs = ((p, k) for p in range(len(prompts)) for k in range(group_size))
        return [
            Sample([7], [-0.5], f"{prompts[p].prompt[0].content} {k}", Finish.STOP, p, k) for p, k in pairs
        ]


def said(side: Side, samples: int = 1, questions: list[Question] = ASKED) -> list[str]:
    return [one.text for one in side.responses(questions, GREEDY, samples, lambda done, total: None)]


def test_equal_prompts_are_asked_once_and_never_again():
    speaker = Counting()
    side = Side("counting", lambda: speaker)
    assert said(side) == ["one 0", "two 0", "one 0"]
    said(side)
    assert [text for text, _ in speaker.asked] == ["one", "two"]
    assert said(side, 2, ASKED[:1]) == ["one 0", "one 1"], "more samples are drawn where more are wanted"


def test_the_draw_follows_the_prompt_and_not_its_place():
    speaker = Counting()
    said(Side("counting", lambda: speaker), questions=ASKED[1:])
    assert dict(speaker.asked) == {"one": key_of(user("one")), "two": key_of(user("two"))}
    assert key_of(user("one")) != key_of(user("two")) and key_of(user("one")) < 2**64


def test_each_batch_is_on_disk_before_the_next_is_begun(tmp_path: Path):
    """The second side goes on where the first was stopped, and asks for one prompt alone."""
    cache, seen = AnswerCache(tmp_path / "a.sqlite"), []
    speakers = [Counting(), Counting()]
    first, second = (Side("counting", lambda one=one: one, KeptResponses(cache, {})) for one in speakers)

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.responses(ASKED, GREEDY, 2, stop)
    assert seen == [(2, 4), (4, 4)]
    assert said(second, 2) == ["one 0", "one 1", "two 0", "two 1", "one 0", "one 1"]
    assert [text for text, _ in speakers[1].asked] == ["one"]


def test_a_response_is_a_tree_and_an_item():
    side = Side("counting", Counting)
    (one,) = side.responses(ASKED[:1], GREEDY, 1, lambda done, total: None)
    tree = side.tree(one)
    assert (list(tree.prompt), list(tree.branches[0].tokens)) == ([1, 2], [7])
    assert one.confidence == pytest.approx(math.exp(-0.5)) and not one.cut
    item = one.question.item(one.sample)
    assert (item.response, item.place, item.tokens) == ("one 0", "a", 1)


def test_a_response_of_a_file_has_its_text_alone():
    read = response_of(ASKED[0], "text", cut=True, k=3)
    assert (read.text, read.cut, read.k, read.confidence) == ("text", True, 3, 0.0)
