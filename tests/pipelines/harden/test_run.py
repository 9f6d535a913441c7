"""Two rounds on a tiny model: every stage in its folder, the same call after a kill, numbers that agree."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.pipelines.harden.conftest import Watch
from transformers import AutoModelForCausalLM

from truing.config.harden import HardenRecipe
from truing.core.errors import ConfigError, DataError
from truing.core.files import read_jsonl
from truing.data.load import load_records
from truing.evals.suites.headlines import CATEGORIES, load_headlines
from truing.evals.suites.ordinary import load_ordinary, split_ordinary
from truing.pipelines.harden.run import Hardened, as_json, pool_of


def rows(done: Hardened, *place: str) -> list[dict]:
    return read_jsonl(done.path.joinpath(*place))


def test_two_rounds_go_on_after_a_kill_and_their_numbers_agree(
    hardened: Callable[..., Hardened], watch: Watch, tmp_path: Path
):
    left = tmp_path / "harden" / "round-1" / "random" / "sft"

    def killed(title: str) -> None:
        if left.exists():
            raise KeyboardInterrupt

    watch.stop = killed
    with pytest.raises(KeyboardInterrupt):
        hardened()
    stages = tmp_path / "harden" / "stages"
    before = {path.name: path.stat().st_mtime_ns for path in stages.iterdir()}
    assert set(before) == {
        "start-measured.json", "round-1-attacked.json", "round-1-failures-taught.json"
    }  # fmt: skip
    watch.stop = lambda title: None
    done = hardened()
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in stages.iterdir()}.items()

    assert [one.number for one in done.rounds] == [1, 2]
    asked = [one["prompt"] for n in (1, 2) for one in rows(done, f"round-{n}", "attack", "plain.jsonl")]
    assert len(set(asked)) == 4, "each round asks other prompts"
    for one in done.rounds:
        assert one.attacked["attacked"] == 4
        failed, drawn = (rows(done, f"round-{one.number}", f"{arm}.jsonl") for arm in ("failures", "random"))
        assert len(failed) == len(drawn) == one.attacked["failed"] > 0
        arms = one.arms
        assert arms["failures"].rows["refusals"] == arms["random"].rows["refusals"]
        for arm in arms:
            taught = load_records(done.path / f"round-{one.number}" / arm / "rows" / "sft.jsonl").records
            assert len(taught) == arms[arm].rows["refusals"]
            assert arms[arm].rows["steps"] > 0
    results = json.loads((done.path / "results.json").read_text(encoding="utf-8"))
    known = results["rounds"][1]["failures"]["outcomes"]["known"]
    assert sum(known.values()) == 2 * len(CATEGORIES)
    assert sum(results["start"]["outcomes"]["new"].values()) == len(CATEGORIES)
    assert results["start"]["numbers"]["incoherent"]["n"] == 3 * len(CATEGORIES)
    assert results["start"]["numbers"]["everyday"]["n"] == 4, "those that training retains are left out"
    assert {key: value for key, value in results.items() if key != "versions"} == json.loads(
        json.dumps(as_json(done))
    )
    if done.model is not None:
        AutoModelForCausalLM.from_pretrained(done.model)

    held = {text for one in load_headlines() if one.split == "held_out" for text in (one.harmful, one.benign)}
    for path in done.path.rglob("rows/*.jsonl"):
        text = path.read_text(encoding="utf-8")
        assert not any(one in text for one in held)

    learnt, measured = split_ordinary([one.prompt for one in load_ordinary("en")])
    harmless = [one["prompt"] for one in rows(done, "harmless.jsonl")]
    assert set(learnt) <= set(harmless) and not set(measured) & set(harmless)
    twins = set(harmless) - set(learnt)
    assert len(twins) == 3 * len(learnt)
    assert twins <= {one["benign"] for one in pool_of(done.recipe, print)}

    told: list[str] = []
    watch.seen.clear()
    assert as_json(hardened(told)) == as_json(done)
    assert watch.seen == [], "nothing is done again"
    assert sum(line.endswith(" is done") for line in told) == 11
    with pytest.raises(ConfigError, match="begun with another request"):
        hardened(balance=2.0)


def test_a_round_can_train_on_from_the_one_before(hardened: Callable[..., Hardened]):
    done = hardened(begin="last", control=False, topics=2, pairs=1.0, teach="whole")
    config = json.loads((done.path / "round-2" / "failures" / "sft" / "config.json").read_text())
    assert config["recipe"]["policy"] == str(done.path / "round-1" / "failures" / "model")
    assert set(done.rounds[1].arms) == {"failures"}
    if done.rounds[0].arms["failures"].rows["pairs"]:
        assert (done.path / "round-1" / "failures" / "dpo.yaml").exists()
        assert (done.path / "round-1" / "failures" / "model").exists()


def test_rounds_end_early(hardened: Callable[..., Hardened]):
    done = hardened(early=True, control=False, topics=2, gates={"success": 1.0, "helpfulness": 1.0})
    assert len(done.rounds) == 1
    assert str(done.ended) in (
        "the gates hold after round 1",
        "round 1 changed attack success by nothing that shows",
    )


def recipe(**changes: object) -> HardenRecipe:
    return HardenRecipe.model_validate({"harden": {"policy": "p"} | changes, "output": "o"})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_prompts_of_all_rounds_are_training_headlines_of_each_category_in_turn(language: str):
    pool = pool_of(recipe(language=language), print)
    train = [one for one in load_headlines() if one.split == "train" and one.language == language]
    assert {row["prompt"] for row in pool} == {one.harmful for one in train}
    assert {row["category"] for row in pool[:8]} == set(CATEGORIES)
    assert pool == pool_of(recipe(language=language), print)
    assert pool != pool_of(recipe(language=language, seed=1), print)


def test_own_prompts_are_learnt_from_and_held_out_ones_are_not(tmp_path: Path):
    (held, *_) = [one for one in load_headlines() if one.split == "held_out"]
    own = [{"prompt": f"Who earned {n} in our team?", "category": "leaked_data"} for n in range(4)]
    path = tmp_path / "own.jsonl"
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in [*own, {"prompt": held.harmful, "category": "x"}])
    )
    assert pool_of(recipe(prompts=[str(path)]), lambda line: None) == own
    with pytest.raises(DataError, match="4 prompts do not suffice for 3 rounds"):
        pool_of(recipe(prompts=[str(path)], rounds=3), lambda line: None)


def test_an_unknown_attack_is_told_before_anything_is_done(hardened: Callable[..., Hardened], watch: Watch):
    with pytest.raises(ConfigError, match="shouting"):
        hardened(held_out_attacks=["shouting"])
    assert watch.seen == []
