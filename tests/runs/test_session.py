"""From recipes to sessions: which reference a method gets, how rows are counted, what is refused."""

import csv
import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import torch
import zstandard
from pyarrow import parquet
from transformers import AutoTokenizer

from truing.config.recipe import Recipe
from truing.config.run_folder import Resumed, RunFolder, resolved_dtype
from truing.core.errors import ConfigError, DataError
from truing.core.messages import Say
from truing.models import precision
from truing.models.reference import AdapterOff, Cached, Live, content_hash
from truing.objectives.offline import PairObjective, UnpairedObjective
from truing.runs.check import check_session
from truing.runs.inputs import inputs_of
from truing.runs.session import Session, open_session


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def opened(model_folder: Path, pairs_file: Path):
    """Opens a session on the twelve pairs of `pairs_file`; keyword arguments are keys of the recipe."""

    def make(
        method: str, data: dict[str, Any] | None = None, say: Say = lambda line: None, **changes: Any
    ) -> Session:
        recipe = {
            "method": method,
            "policy": str(model_folder),
            "data": {"train": str(pairs_file), **(data or {})},
            "dtype": "float32",
            "tokens_per_pass": 128,
        }
        return open_session(Recipe.model_validate(recipe | changes), say)

    return make


UNPAIR = {"unpair": True}


@pytest.mark.parametrize(
    ("method", "data", "changes", "kind"),
    [
        ("kto", UNPAIR, {"lora": {}}, AdapterOff),
        ("kto", UNPAIR, {"lora": {}, "optim": {"epochs": 2}}, AdapterOff),
        ("kto", UNPAIR, {}, Live),  # the mismatched pairs are others in every epoch
        ("kto", UNPAIR, {"loss": {"name": "apo_zero_unpaired"}}, Cached),
        ("bco", UNPAIR, {}, Cached),
        ("bco", UNPAIR, {"lora": {}, "optim": {"epochs": 2}}, Cached),
        ("dpo", {}, {"lora": {}}, AdapterOff),
        ("dpo", {}, {}, Cached),
        ("simpo", {}, {}, type(None)),
    ],
)
def test_the_reference_is_the_cheapest_that_serves(opened, method, data, changes, kind):
    assert type(opened(method, data, **changes).objective.reference) is kind


@pytest.mark.parametrize("changes", [{}, {"lora": {}, "reference": "policy"}])
def test_the_first_step_asks_the_reference_for_its_own_rows_alone(model_folder, pairs_file, changes):
    """Three of the twelve rows; none of them is kept on disk."""
    asked = {"reference": str(model_folder)} if "reference" in changes else {}
    recipe = Recipe.model_validate(
        {
            "method": "dpo",
            "policy": str(model_folder),
            "data": {"train": str(pairs_file), "eval_fraction": 0.25},
            "dtype": "float32",
            "optim": {"items_per_step": 3, "epochs": 2},
            "tokens_per_pass": 128,
        }
        | changes
        | asked
    )
    said: list[str] = []
    first, whole = open_session(recipe, said.append, first_step=True), open_session(recipe)
    assert isinstance(first.objective, PairObjective) and isinstance(whole.objective, PairObjective)
    assert isinstance(first.objective.reference, Cached) and isinstance(whole.objective.reference, Cached)
    assert set(first.objective.reference.logps) == set(first.plan.items_of(1))
    assert len(first.objective.reference.logps) == 3 and len(whole.objective.reference.logps) == 9
    assert "reference log-probabilities of 3 rows, those of step 1" in said
    assert check_session(first).logs == pytest.approx(check_session(whole).logs, rel=1e-5)


def test_the_first_step_of_two_epochs_needs_no_second_model(model_folder, pairs_file):
    recipe = {"method": "dpo", "policy": str(model_folder), "data": {"train": str(pairs_file)}, "lora": {}}
    asked = Recipe.model_validate(recipe | {"optim": {"epochs": 2}, "dtype": "float32"})
    objective = open_session(asked, first_step=True).objective
    assert isinstance(objective, PairObjective) and isinstance(objective.reference, AdapterOff)


def test_rows_lost_to_their_length_stop_a_run_unless_it_may_skip_them(opened, tmp_path):
    path = tmp_path / "long.jsonl"
    long, short = {"prompt": "b", "chosen": "yes " * 200, "rejected": "no"}, {"prompt": "a", "chosen": "y"}
    path.write_text(rows(long, {**short, "rejected": "n"}))
    data = {"train": str(path), "max_tokens": 60}
    with pytest.raises(DataError, match="1 of 2 rows are lost with data"):
        opened("dpo", data)
    assert len(opened("dpo", {**data, "bad_rows": "skip"}).train) == 1
    cut = opened("dpo", {**data, "truncation": "response-right"}).rows
    assert cut.describe() == "2 of 2 rows kept, set aside: none; 1 response-cut"


def test_another_model_as_reference_of_kto_is_held_beside_an_adapter(opened, model_folder):
    session = opened("kto", UNPAIR, lora={}, reference=str(model_folder))
    objective = session.objective
    assert isinstance(objective, UnpairedObjective)
    assert isinstance(objective.reference, Live)
    # It is the policy as it starts, so that nothing has been gained on it yet.
    logs = check_session(session).logs
    assert [logs["kl"], logs["rewards/desirable"]] == pytest.approx([0.0, 0.0], abs=1e-5)


# The number format


def begun(session: Session) -> RunFolder:
    """The run folder of a session, as training leaves it from its start on."""
    with RunFolder.open(session.recipe.output) as folder:
        folder.write_config(session.recipe.model_dump(mode="json") | session.inputs())
    return folder


@pytest.mark.parametrize("fast", [False, True])
def test_auto_is_what_it_was_when_the_run_began(opened, tmp_path, monkeypatch, fast):
    run = {"dtype": "auto", "output": str(tmp_path / "run"), "lora": {}}
    names = ("float32", "bfloat16")
    monkeypatch.setattr(precision, "has_fast_bf16", lambda device: fast)
    folder = begun(opened("dpo", **run))
    assert resolved_dtype(folder.path) == names[fast]
    monkeypatch.setattr(precision, "has_fast_bf16", lambda device: not fast)
    again = opened("dpo", **run)
    assert again.precision.name == names[fast]
    assert opened("dpo", **run | {"output": str(tmp_path / "other")}).precision.name == names[not fast]
    with RunFolder.open(folder.path):
        assert folder.write_config(again.recipe.model_dump(mode="json") | again.inputs()) == Resumed()


def test_a_run_begun_before_its_format_was_kept_goes_on(opened, tmp_path):
    session = opened("sft", dtype="auto", output=str(tmp_path / "run"))
    asked = session.recipe.model_dump(mode="json") | session.inputs()
    before = {name: one for name, one in asked["resolved"].items() if name != "dtype"}
    with RunFolder.open(tmp_path / "run") as folder:
        folder.write_config(asked | {"resolved": before})
        assert resolved_dtype(folder.path) is None
        resumed = folder.write_config(asked)
        assert (resumed.changes, resumed.unknown) == ((), ("resolved.dtype",))
    assert resolved_dtype(folder.path) == session.precision.name


@pytest.mark.parametrize(("bfloat16", "words"), [(2e10, "8.0 times slower"), (3e11, None)])
def test_asking_for_the_slower_format_is_answered_once(opened, monkeypatch, bfloat16, words):
    monkeypatch.setattr(precision, "trial", lambda: precision.Trial(1.6e11, bfloat16))
    said: list[str] = []
    opened("dpo", dtype="bfloat16", say=said.append, lora={})
    opened("dpo", dtype="float32", say=said.append, lora={})
    about = [line for line in said if "bfloat16" in line]
    assert len(about) == (words is not None)
    assert all(words in line for line in about)


@pytest.mark.parametrize("packing", ["trees", "padded"])
def test_kto_is_the_same_however_it_is_cut(opened, packing):
    def step(tokens_per_pass: int) -> list[float]:
        session = opened("kto", UNPAIR, packing=packing, tokens_per_pass=tokens_per_pass)
        with torch.no_grad():  # a policy that has moved, on the whole towards the tokens of the rows
            rows = [token for tree in session.train for token in tree.branches[0].tokens]
            session.model.get_output_embeddings().weight[rows] *= 3
        found = check_session(session)
        return [found.logs["loss"], found.logs["kl"], found.grad_norm]

    cut, together = step(20), step(10_000)
    assert cut == pytest.approx(together, rel=1e-4, abs=1e-6)
    assert cut[1] > 0.01, "the baseline is more than its bound"


def rows(*kept: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in kept)


def test_rows_add_up_where_pairs_become_two(opened, tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_text(
        rows(
            {"prompt": "a", "chosen": "yes", "rejected": "no"},
            {"prompt": "b", "chosen": "yes " * 200, "rejected": "no"},  # one of its halves is too long
            {"prompt": "c", "chosen": "ja", "rejected": "nein"},
        )
    )
    session = opened("bco", {"train": str(path), "unpair": True, "max_tokens": 60, "bad_rows": "skip"})
    summary = session.rows.summary
    counted = {"read": 3, "made": 3, "kept": 5, "set_aside": {"too-long": 1}}
    assert summary == counted | {"cut": {}, "in_evaluation": 0, "notes": {}, "refused": []}
    assert [tree.labels for tree in session.train] == [(1.0,), (0.0,), (0.0,), (1.0,), (0.0,)]
    assert session.places == [f"mixed.jsonl:{line}" for line in (1, 1, 2, 3, 3)]
    told = "rows        5 of 6 rows kept (3 read, 3 made of pairs), set aside: 1 too-long"
    assert check_session(session).lines()[0] == told


def test_labelled_rows_want_labels_or_pairs_to_take_apart(opened):
    with pytest.raises(DataError, match=r"data\.unpair: true makes two of every pair"):
        opened("kto")


def test_masks_of_differing_tokens_raise_no_alarm(opened):
    session = opened("dpo", {"tokens": "differing"}, lora={})
    whole = opened("dpo", lora={})
    scored = [sum(branch.count for tree in s.train for branch in tree.branches) for s in (session, whole)]
    assert scored[0] < scored[1]
    assert session.rows.masks == whole.rows.masks
    silent = {**whole.rows.masks, "branches": 0}
    assert not any(silent.values())


def test_the_likelihood_of_the_whole_sequence_includes_the_prompt(opened):
    session = opened("orpo", loss={"sft_on": "sequence"}, optim={"items_per_step": 12})
    passes = session.passes(range(12))
    (tokens,) = {sum(len(b.target) for b in passes if b.role == "whole")}
    assert tokens == sum(len(t.prompt) + len(t.branches[0]) - 1 for t in session.train)
    logs = check_session(session).logs
    assert logs["loss"] == pytest.approx(logs["pair_loss"] + logs["nll/whole"], rel=1e-5)


def test_d2_the_container_of_the_rows_changes_no_token(opened, pairs_file, tmp_path):
    """The sha256 of all that is trained on is one, whatever kind of file the same rows lie in."""
    lines = pairs_file.read_bytes()
    content = [json.loads(line) for line in lines.splitlines()]
    (tmp_path / "a.json").write_text(json.dumps(content, indent=1))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, content[0])
        writer.writeheader()
        writer.writerows(content)
    parquet.write_table(pyarrow.Table.from_pylist(content), tmp_path / "a.parquet")
    paths = [pairs_file, *sorted(tmp_path.glob("a.*"))]
    sessions = [opened("simpo", {"train": str(path)}) for path in paths]
    assert len(paths) == 6 and all(len(session.train) == 12 for session in sessions)
    assert len({content_hash(session.train) for session in sessions}) == 1


def test_the_two_halves_of_a_pair_are_held_out_together(opened):
    session = opened("kto", {**UNPAIR, "eval_fraction": 0.25})
    sides = [set(session.places), {record.place for record in session.held_out_records}]
    assert [len(side) for side in sides] == [9, 3] and not sides[0] & sides[1]
    assert (len(session.train), len(session.held_out)) == (18, 6)
    assert session.rows.describe() == "24 of 24 rows kept (12 read, 12 made of pairs), set aside: none"


@pytest.fixture
def own_model(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "own"))


def edit_config(folder: Path) -> None:
    """Another base of the rotary positions: the same weights compute other numbers."""
    path = folder / "config.json"
    config = json.loads(path.read_bytes())
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 3.0}
    path.write_text(json.dumps(config))


def swap_weights(folder: Path, other: Path) -> None:
    """The weights of another model with the size and the time of these: `cp -p`, `rsync -a`."""
    path, stat = folder / "model.safetensors", (folder / "model.safetensors").stat()
    path.write_bytes((other / "model.safetensors").read_bytes())
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size


@pytest.mark.parametrize("what", ["config", "weights"])
def test_the_reference_is_scored_again_when_its_files_change(opened, own_model, moved_folder, what):
    """Right are the numbers that a cache which holds nothing gives."""
    first = opened("dpo", reference=str(own_model)).objective.reference.logps
    edit_config(own_model) if what == "config" else swap_weights(own_model, moved_folder)
    again = opened("dpo", reference=str(own_model)).objective.reference.logps
    os.environ["TRUING_CACHE"] += "-empty"
    fresh = opened("dpo", reference=str(own_model)).objective.reference.logps
    assert max(float((again[item] - first[item]).abs().max()) for item in first) > 1e-4
    assert all(torch.equal(again[item], fresh[item]) for item in fresh)


@pytest.mark.parametrize("role", ["policy", "reference"])
@pytest.mark.parametrize("part", ["config", "weights", "tokenizer"])
def test_a_run_does_not_go_on_with_other_files_under_an_unchanged_path(
    opened, own_model, moved_folder, tmp_path, role, part
):
    changes = {role: str(own_model), "lora": {}}
    session = opened("dpo", **changes)
    asked = session.recipe.model_dump(mode="json")
    with RunFolder.open(tmp_path / "run") as folder:
        folder.write_config(asked | session.inputs())
        assert folder.write_config(asked | opened("dpo", **changes).inputs()) == Resumed()
        match part:
            case "config":
                edit_config(own_model)
            case "weights":
                swap_weights(own_model, moved_folder)
            case _:
                (own_model / "chat_template.jinja").write_text("{{ messages[0].content }}")
        with pytest.raises(ConfigError, match=rf"models.{role}.{part}: was .* \(the files have") as caught:
            folder.write_config(asked | inputs_of(session.recipe, session.sources, {}))
        assert f"--allow-change models.{role}.{part}" in caught.value.hint
        assert caught.value.exit_code == 2


def test_a_session_says_what_check_says_of_its_rows_and_keeps_the_counts(opened, model_folder, tmp_path):
    end = AutoTokenizer.from_pretrained(model_folder).eos_token
    row = {"id": 1, "prompt": f"what is {end}?", "completion": "an end"}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    said: list[str] = []
    session = opened("sft", {"train": str(path)}, said.append)
    assert "rows.jsonl: 1/1 rows, prompt and completion; not read: id" in said
    (told,) = [line for line in said if "control tokens" in line]
    assert told.startswith("1 strings in the rows read like control tokens and stay text")
    assert session.rows.summary["notes"] == {"control-token": 1}
    assert check_session(session).masks["control-token"] == 1
