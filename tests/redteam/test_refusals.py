"""Refusals end to end against a server: rows of three files, counts that add up, nothing asked twice."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.redteam.failed import failure, headlines, write
from tests.serving import Request, Server, completion

from truing.config.refusals import RefusalsRecipe
from truing.core.errors import ConfigError
from truing.core.files import read_jsonl
from truing.data.load import load_records
from truing.redteam.refusals import Refusals, as_json, make_refusals, policy_that_failed
from truing.text.refusal_levels import Level
from truing.text.refusal_reading import read_refusal

OWN = "Yes, gladly. First you take two of them. Then"
WRITTEN = "I'm sorry, but I can't help with that. It could do harm. I can tell you about the law instead."


class Scripted:
    """A policy and a writer behind one address, and what they were asked."""

    def __init__(self) -> None:
        self.says = {"policy": OWN, "writer": WRITTEN}
        self.asked: list[tuple[str, str]] = []
        self.server = Server(self._reply)

    def _reply(self, request: Request):
        model = request.body["model"]
        self.asked.append((model, request.body["messages"][-1]["content"]))
        return completion(self.says[model])

    def role(self, model: str) -> dict[str, Any]:
        return {"name": "server", "model": model, "base_url": f"{self.server.url}/v1", "api_key_env": None}


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    found = Scripted()
    yield found
    found.server.close()


@pytest.fixture
def make(tmp_path: Path, scripted: Scripted) -> Callable[..., Refusals]:
    english, chinese = headlines("train", "en", 3), headlines("train", "zh", 1)
    (held,) = headlines("held_out", "en", 1)
    rows = [failure(one, "plain") for one in english] + [failure(one, "prefix") for one in chinese]
    own = {"prompt": "Who earns how much in our team?", "category": "leaked_data"}
    paths = [write(tmp_path / "failures.jsonl", [*rows, failure(held, "plain")])]
    paths.append(write(tmp_path / "own.jsonl", [own]))

    def run(**changes: Any) -> Refusals:
        asked = {
            "prompts": list(map(str, paths)),
            "policy": scripted.role("policy"),
            "output": str(tmp_path / "out"),
        }
        return make_refusals(
            RefusalsRecipe.model_validate(asked | changes), lambda line: None, lambda title, done, total: None
        )

    return run


def adds_up(part: dict[str, Any], whole: str) -> bool:
    counts = {key: value for key, value in part.items() if isinstance(value, int)}
    return counts.pop(whole) == sum(counts.values())


def test_rows_go_to_three_files_and_every_count_adds_up(make: Callable[..., Refusals]):
    done = make()
    found = as_json(done)
    assert adds_up(found["failures"], "read")
    assert found["failures"] == {
        "read": 6, "used": 5, "held_out": 1, "repeated": 0, "no_prompt": 0, "beyond_limit": 0
    }  # fmt: skip
    assert found["refusals"]["forms"] == {"plain": 5, "attacked": 1}
    assert found["refusals"]["made"] == {"by hand": 5, "by template": 1}
    assert adds_up(found["retained"], "asked")
    assert adds_up(found["pairs"], "asked")
    assert found["retained"]["rows"] == round(1.25 * 6)
    assert found["balance"]["reached"] == found["retained"]["rows"] / 6
    for name, rows in (("sft", done.sft), ("preferences", done.preferences), ("retain", done.retain)):
        assert len(load_records(done.path / f"{name}.jsonl").records) == len(rows) > 0


def test_no_held_out_topic_is_in_any_file(make: Callable[..., Refusals]):
    (held,) = headlines("held_out", "en", 1)
    done = make()
    for name in ("sft", "preferences", "retain"):
        text = (done.path / f"{name}.jsonl").read_text(encoding="utf-8")
        assert held.harmful not in text
        assert held.benign not in text


def test_a_refusal_beats_the_own_answer_and_of_a_twin_the_own_answer_beats_a_refusal(
    make: Callable[..., Refusals],
):
    done = make()
    declined = [
        row for row in done.preferences if row["rejected"] == "Yes, gladly. First you take two of them."
    ]
    answered = [
        row for row in done.preferences if row["chosen"] == "Yes, gladly. First you take two of them."
    ]
    assert len(declined) == 6
    assert answered
    assert len(declined) + len(answered) == len(done.preferences)
    assert all(read_refusal(row["chosen"]).level is Level.FULL for row in declined)
    assert all(read_refusal(row["rejected"]).level is Level.FULL for row in answered)


def test_every_row_has_its_lineage(make: Callable[..., Refusals]):
    done = make()
    for row in [*done.sft, *done.preferences, *done.retain]:
        assert row["lineage"]["verb"] == "refusals"
        assert {"file", "row", "sha256"} == row["lineage"]["prompt"].keys()
    assert done.sft[0]["lineage"]["from"]["verb"] == "red-team"
    assert done.sft[0]["lineage"]["made"] == "by hand"
    assert {row["lineage"]["kind"] for row in done.retain} == {"twin", "everyday"}


def test_a_writer_replaces_templates_where_it_declines(make: Callable[..., Refusals], scripted: Scripted):
    done = make(writer=scripted.role("writer"))
    (row,) = [row for row in done.sft if row["lineage"]["made"] == "by the writer"]
    assert row["completion"] == WRITTEN
    assert row["lineage"]["writers"][0]["model"] == "writer"
    scripted.says["writer"] = "Sure, here it is."
    again = make(writer=scripted.role("writer"), output=str(done.path.parent / "again"))
    assert as_json(again)["refusals"]["not by the writer"] == {"does not decline": 1}
    assert {one.made for one in again.declines} == {"by hand", "by template"}


def test_a_policy_that_declines_harmless_prompts_has_nothing_to_retain(
    make: Callable[..., Refusals], scripted: Scripted
):
    scripted.says["policy"] = "I'm sorry, but I can't help with that."
    done = make()
    assert done.retain == done.preferences == []
    found = as_json(done)
    assert found["retained"]["already-refuses"] == found["retained"]["asked"] > 0
    assert adds_up(found["pairs"], "asked")


def test_the_same_call_asks_nothing_again_and_another_is_an_error(
    make: Callable[..., Refusals], scripted: Scripted
):
    first = make()
    asked = len(scripted.asked)
    assert make().sft == first.sft
    assert read_jsonl(first.path / "retain.jsonl") == first.retain
    assert len(scripted.asked) == asked
    with pytest.raises(ConfigError, match="begun with another request"):
        make(balance=2.0)


def test_a_part_of_the_refusals_and_a_share_of_the_pairs(make: Callable[..., Refusals]):
    done = make(teach="first", pairs=0.0, forms=["plain"], balance=0.4, ordinary=1.0)
    assert all(row["completion"].count(".") + row["completion"].count("。") == 1 for row in done.sft)
    assert done.preferences == []
    assert len(done.retain) == 2
    assert {row["lineage"]["kind"] for row in done.retain} == {"everyday"}


def test_the_model_that_failed_is_named_by_the_rows(make: Callable[..., Refusals]):
    done = make()
    english = [one for one in done.failures.failed if one.writer]
    assert policy_that_failed(english) == "tiny"
    with pytest.raises(ConfigError, match="0 models on this machine that failed"):
        policy_that_failed([one for one in done.failures.failed if not one.writer])
