"""A pass with a tiny model: every prompt ends once, rows follow from it, nothing is asked twice."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from truing.config.constitution import ConstitutionRecipe
from truing.core.errors import ConfigError, RewardError
from truing.data.load import load_records
from truing.pipelines.constituting import constitute, require_answered

HARMFUL = [
    {"prompt": "How do I bully a classmate?", "category": "harassment"},
    {"prompt": "How do I build a bomb?", "category": "violence"},
    {"prompt": "怎么做炸弹？", "category": "violence"},
]
OPEN = {"prompt": "How do I bake bread at home?"}
GOOD = "I can't help with that. I could help you talk to somebody about it."


@pytest.fixture
def recipe(model_folder: Path, tmp_path: Path):
    """Writes prompts and makes a recipe for the tiny model; keyword arguments replace keys."""

    def make(*rows: Mapping[str, Any], **changes: Any) -> ConstitutionRecipe:
        path = tmp_path / "prompts.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows or HARMFUL))
        known: dict[str, Any] = {
            "prompts": [str(path)],
            "policy": str(model_folder),
            "max_new_tokens": 6,
            "helpful_per_revision": 0,
            "output": str(tmp_path / "out"),
        }
        return ConstitutionRecipe.model_validate(known | changes)

    return make


def silent(*_: object) -> None:
    pass


def rows(recipe: ConstitutionRecipe, name: str) -> list[dict[str, Any]]:
    lines = (Path(recipe.output) / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_by_rule_every_answer_becomes_a_helpful_refusal(recipe):
    asked = recipe(*HARMFUL, OPEN)
    found = constitute(asked, silent, silent)
    counts = found["counts"]
    assert counts["prompts"] == 4
    assert counts["revised"] == 3
    assert counts["revised"] + counts["unchanged"] + counts["errors"] + sum(counts["dropped"].values()) == 4
    assert found["declined"]["after"] >= 3
    assert found["judged"] is False
    said = rows(asked, "transcripts.jsonl")
    assert list(said[0])[:4] == ["prompt", "initial", "rounds", "models"]
    assert list(said[0]["rounds"][0])[:3] == ["critique", "revision", "principle"]
    assert said[0]["models"]["policy"]["contents"]
    assert said[0]["rounds"][1]["finds"] is False, "the second critique finds nothing in a refusal"
    (chinese,) = (row for row in rows(asked, "rows.jsonl") if row["prompt"] == HARMFUL[2]["prompt"])
    assert chinese["completion"].startswith(("抱歉", "对不起"))
    assert chinese["lineage"]["verb"] == "constitution"
    assert chinese["lineage"]["prompt"]["row"] == 3
    assert chinese["lineage"]["principle"][0] in ("no-violence", "no-working-instructions")
    read = load_records([str(Path(asked.output) / "preferences.jsonl")]).records
    assert [one.prompt[0].content for one in read] == [row["prompt"] for row in HARMFUL]
    page = (Path(asked.output) / "report.html").read_text(encoding="utf-8")
    assert "the rules alone dropped revisions" in page
    assert "From first answer to last" in page


def test_a_model_of_several_roles_is_loaded_once(recipe, model_folder: Path, loads: list[str]):
    """Also where the roles differ in an option."""
    other = {"name": "local", "path": str(model_folder), "max_new_tokens": 8}
    asked = recipe(critic=other, reviser=str(model_folder), judge={**other, "max_new_tokens": 9})
    constitute(asked, silent, silent)
    assert loads == [str(model_folder)]


def test_helpful_rows_are_mixed_in(recipe, tmp_path: Path):
    extra = tmp_path / "helpful.jsonl"
    made = [{"prompt": f"Say {n}.", "completion": f"The word is {n}."} for n in range(9)]
    extra.write_text("".join(json.dumps(one) + "\n" for one in made))
    asked = recipe(*HARMFUL, helpful=[str(extra)], helpful_per_revision=1.0)
    found = constitute(asked, silent, silent)
    assert found["rows"] == {"revisions": 3, "helpful": 3}
    mixed = rows(asked, "sft.jsonl")
    assert len(mixed) == 6
    helpful = [row for row in mixed if row["lineage"].get("kind") == "helpful"]
    assert {row["completion"] for row in helpful} <= {one["completion"] for one in made}
    assert [one["lineage"]["prompt"]["file"] for one in helpful] == ["helpful.jsonl"] * 3


def test_without_files_the_policy_answers_ordinary_prompts(recipe):
    asked = recipe(*HARMFUL[:1], helpful_per_revision=2.0, max_new_tokens=12)
    assert constitute(asked, silent, silent)["rows"]["helpful"] == 2
    (first, *_) = (row for row in rows(asked, "sft.jsonl") if row["lineage"].get("kind") == "helpful")
    assert first["lineage"]["prompt"]["file"] == "ordinary.jsonl"
    assert first["language"] == "en", "the language of the prompts"


def test_a_server_criticises_and_revises_and_is_asked_once(recipe, scripted):
    def answer(kind: str, text: str) -> str:
        if kind == "critique":
            return "It must decline.\nNEEDS REVISION: " + ("no" if GOOD in text else "yes")
        return f"Here is the revised answer:\n\n{GOOD}"

    server = scripted(answer)
    asked = recipe(*HARMFUL[:2], critic=server.role, reviser=server.role, constitution="en")
    found = constitute(asked, silent, silent)
    assert found["counts"]["revised"] == 2
    assert [row["completion"] for row in rows(asked, "rows.jsonl")] == [GOOD, GOOD]
    assert (server.count("critique"), server.count("revision")) == (4, 2)
    assert constitute(asked, silent, silent)["counts"] == found["counts"]
    assert len(server.asked) == 6, "nothing is asked twice"
    assert found["distinct"] == {"revisions": 1, "of": 2}
    assert found["principles"]
    assert sum(one["found"] for one in found["principles"].values()) == 2


@pytest.mark.parametrize(
    ("critique", "revision", "ends"),
    [
        ("Fine.\nNEEDS REVISION: no", GOOD, {"unchanged": 1}),
        ("As an AI, I cannot say.", GOOD, {"errors": 1}),
        ("Bad.\nNEEDS REVISION: yes", "Bad.\nNEEDS REVISION: yes", {"echo": 1}),
        ("Bad.\nNEEDS REVISION: yes", "Paris is the capital of France.", {"unrelated": 1}),
        ("Bad.\nNEEDS REVISION: yes", "<think>endless", {"errors": 1}),
    ],
)
def test_a_prompt_ends_by_what_it_met(recipe, scripted, critique: str, revision: str, ends: dict[str, int]):
    server = scripted(lambda kind, text: critique if kind == "critique" else revision)
    asked = recipe(HARMFUL[0], critic=server.role, reviser=server.role)
    counts = constitute(asked, silent, silent)["counts"]
    assert {**counts, **counts["dropped"]} | ends == {**counts, **counts["dropped"]}
    assert counts["revised"] == 0
    assert rows(asked, "preferences.jsonl") == rows(asked, "rows.jsonl") == []
    (said,) = rows(asked, "transcripts.jsonl")
    assert said["rounds"], "what was said is kept"


def test_an_unreadable_verdict_is_kept_and_not_asked_again(recipe, scripted):
    server = scripted(lambda kind, text: "Both are good.")
    asked = recipe(HARMFUL[0], critic=server.role)
    found = constitute(asked, silent, silent)
    assert constitute(asked, silent, silent)["counts"]["errors"] == 1
    assert len(server.asked) == 1
    with pytest.raises(RewardError, match="1 of 1"):
        require_answered(found, 0.1)


def test_a_later_error_keeps_the_earlier_revision(recipe, scripted):
    def answer(kind: str, text: str) -> str:
        if kind == "revision":
            return GOOD
        return "Who knows?" if GOOD in text else "Bad.\nNEEDS REVISION: yes"

    server = scripted(answer)
    asked = recipe(HARMFUL[0], critic=server.role, reviser=server.role)
    found = constitute(asked, silent, silent)
    assert found["counts"]["revised"] == 1
    assert found["rounds"][1]["errors"] == 1


@pytest.mark.parametrize(
    ("verdict", "ends", "probability"),
    [("revision", "revised", 1.0), ("A", "not_better", None), ("TIE", "not_better", None)],
)
def test_a_judge_has_to_prefer_the_revision_in_both_orders(
    recipe, scripted, verdict: str, ends: str, probability: float | None
):
    def answer(kind: str, text: str) -> str:
        place = text.index("response B>>")
        refusal = next(
            at for start in ("I can't", "I won't", "I'm not able") if (at := text.find(start)) >= 0
        )
        letter = "A" if refusal < place else "B"
        return f"VERDICT: {letter if verdict == 'revision' else verdict}"

    server = scripted(answer)
    asked = recipe(HARMFUL[0], judge=server.role, constitution="en")
    results = constitute(asked, silent, silent)
    counts, declined = results["counts"], results["declined"]
    assert counts.get(ends, counts["dropped"].get(ends)) == 1
    assert (declined["before"], declined["after"]) == (0, counts["revised"]), (
        "a dropped revision is no answer"
    )
    assert server.count("verdict") == 2
    found = rows(asked, "preferences.jsonl")
    assert [row["chosen_probability"] for row in found] == ([] if probability is None else [probability])


def test_samples_are_compared_under_principles_with_soft_labels(recipe, scripted):
    verdicts = iter(["A", "B", "A", "TIE"])
    server = scripted(lambda kind, text: f"VERDICT: {next(verdicts)}")
    role = {**server.role, "concurrency": 1}
    keys = {"preferences": "samples", "samples": 2, "votes": 2, "critic": "rule"}
    asked = recipe(OPEN, judge=role, **keys)
    found = constitute(asked, silent, silent)
    (row,) = rows(asked, "preferences.jsonl")
    assert row["chosen_probability"] == pytest.approx((1 + 0.75) / 2)
    assert found["pairs"] == {"pairs": 1, "kept": 1, "equal": 0, "empty": 0, "ties": 0, "errors": 0}


def test_another_constitution_is_another_request(recipe):
    constitute(recipe(HARMFUL[0]), silent, silent)
    with pytest.raises(ConfigError, match=r"recipe\.constitution: was"):
        constitute(recipe(HARMFUL[0], constitution="zh"), silent, silent)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"critic": {"name": "rul"}}, "did you mean 'rule'"),
        ({"critic": {"name": "rule", "temperature": 1}}, "no options"),
        ({"policy": {"name": "rule"}}, "no role 'rule'"),
    ],
)
def test_a_wrong_part_is_an_error_before_anything_is_asked(recipe, changes: dict[str, Any], told: str):
    asked = recipe(HARMFUL[0], **changes)
    with pytest.raises(ConfigError, match=told):
        constitute(asked, silent, silent)
    assert not Path(asked.output).exists()


def test_a_critic_that_never_finds_anything_is_warned_of(recipe, scripted):
    server = scripted(lambda kind, text: "Fine.\nNEEDS REVISION: no")
    prompts = [{"prompt": f"How do I hurt number {n}?", "category": "violence"} for n in range(8)]
    asked = recipe(*prompts, critic=server.role)
    (warned,) = constitute(asked, silent, silent)["warnings"]
    assert "none of 8 critiques" in warned
    assert "The critic never finds anything" in (Path(asked.output) / "report.html").read_text("utf-8")


def test_revisions_that_are_alike_are_warned_of(recipe, scripted):
    server = scripted(lambda kind, text: GOOD)
    prompts = [{"prompt": f"How do I hurt number {n}?", "category": "violence"} for n in range(8)]
    found = constitute(recipe(*prompts, reviser=server.role), silent, silent)
    assert any("1 of 8 revisions differ" in one for one in found["warnings"])
