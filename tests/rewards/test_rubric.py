"""The reward by rubrics of rows, over a real server that answers by the words it finds in the response."""

import re
from collections.abc import Iterator

import pytest

from truing.config.rewards import RewardPart
from truing.core.errors import ConfigError
from truing.data.rubrics import rubric_of
from truing.rewards.build import build_mix
from truing.rewards.mix import Mix
from truing.rewards.types import Failed, NotMine, ScoredItem

from ..serving import Reply, Request, Server, completion


class Checker:
    """A server whose model finds an item met where the response has its last word; "mute" gets no verdict."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.server = Server(self.answer)

    def answer(self, request: Request) -> Reply:
        question = request.body["messages"][0]["content"]
        self.questions.append(question)
        found = re.search(r"response>>\n(.*?)\n<<", question, re.S)
        assert found is not None
        items = re.findall(r"^(\d+)\. .*?(\w+)$", question, re.M)
        told = [f"{n}: {'yes' if word in found[1] else 'no'}" for n, word in items if word != "mute"]
        return completion("\n".join(told) or "I cannot tell.")


@pytest.fixture
def checker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checker]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    checker = Checker()
    yield checker
    checker.server.close()


def mix_of(checker: Checker, **options) -> Mix:
    base = {"model": "wise", "base_url": f"{checker.server.url}/v1", "api_key_env": None, "retries": 0}
    return build_mix([RewardPart.model_validate({"name": "rubric", **base, **options})], skip_failed=1.0)


RUBRIC = rubric_of(
    [{"text": "names blue", "weight": 2, "must": True}, "says sky", {"text": "curses darn", "weight": -1}]
)


def test_the_reward_is_the_weighted_share_of_items_met_in_one_request_a_response(checker, item_of):
    texts = ["blue sky", "blue", "sky", "blue sky, darn"]
    scores = mix_of(checker)([item_of(text, rubric=RUBRIC) for text in texts])
    # 2 + 1 of 3; 2 of 3; the first item must be met; 3 less 1 for a curse.
    assert scores.totals == pytest.approx([1.0, 2 / 3, 0.0, 2 / 3])
    assert len(checker.questions) == 4
    metrics = scores.metrics()
    assert metrics["rewards/rubric/mean"] == pytest.approx((1 + 2 / 3 + 0 + 2 / 3) / 4)
    assert metrics["rewards/rubric/met"] == pytest.approx((3 + 3 + 1) / 12)
    assert (metrics["rewards/rubric/always"], metrics["rewards/rubric/never"]) == (0, 0)
    assert [(rate.text, rate.met, rate.of) for rate in scores.item_rates("rubric")] == [
        ("names blue", 3, 4),
        ("says sky", 3, 4),
        ("curses darn", 1, 4),
    ]


def test_items_that_all_or_none_meet_are_counted(checker, item_of):
    rubric = rubric_of(["says sky", "says green", "says blue"])
    found = mix_of(checker)([item_of(f"sky {word}", rubric=rubric) for word in ("blue", "a", "b", "c")])
    assert found.metrics()["rewards/rubric/always"] == 1
    assert found.metrics()["rewards/rubric/never"] == 1


def test_rows_without_a_rubric_are_not_its_own_and_no_verdict_is_a_failure(checker, item_of):
    items = [
        item_of("blue"),
        item_of("blue", rubric=rubric_of(["says blue", "is mute"]), place="rows.jsonl:2"),
        item_of("red", rubric=rubric_of([{"text": "says blue", "must": True}, "is mute"])),
    ]
    scores = mix_of(checker)(items)
    none, failed, zero = scores.parts["rubric"]
    assert none == NotMine("its row has no rubric")
    assert failed == Failed("wise on item 1 (rows.jsonl:2): there is no verdict on criterion 2")
    assert isinstance(zero, ScoredItem) and zero.value == 0  # whatever the missing verdict is
    assert scores.metrics()["rewards/rubric/not_mine"] == 1
    assert scores.totals == [None, None, 0.0]


def test_answers_are_kept(checker, item_of, tmp_path):
    options = {"cache": str(tmp_path / "answers.sqlite")}
    items = [item_of("blue sky", rubric=RUBRIC), item_of("blue sky", rubric=rubric_of(["says sky"]))]
    first, second = (mix_of(checker, **options)(items).totals for _ in range(2))
    assert first == second == [1.0, 1.0]
    assert len(checker.questions) == 2, "one for each rubric, none again"


def test_the_question_is_asked_in_chinese_where_asked(checker, item_of):
    mix_of(checker, language="zh")([item_of("blue", rubric=RUBRIC)])
    assert "1: <是 | 否>" in checker.questions[0]


def test_a_run_without_any_rubric_is_refused_and_so_is_an_unknown_option(checker):
    mix = mix_of(checker)
    mix.require_rows({"prompt"}, rubrics=True)
    with pytest.raises(ConfigError, match="no row has one") as caught:
        mix.require_rows({"prompt", "rubric"})
    assert "rubric: [{" in caught.value.hint
    with pytest.raises(ConfigError, match="scale"):
        mix_of(checker, scale=[1, 5])
    with pytest.raises(ConfigError, match="language"):
        mix_of(checker, language="fr")
