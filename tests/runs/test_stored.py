"""Rows on disk are those of rows in memory: the same trees, counts, messages, and bits of training."""

from pathlib import Path
from typing import Any

import pytest

from truing.config.run_folder import RunFolder
from truing.core.errors import DataError, StorageError
from truing.core.files import ASIDE, MACHINE
from truing.data.stored import Stored
from truing.models.world import world
from truing.runs import stored
from truing.runs.check import check_session
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.runs.session import Session

from ..two_ranks import Two


def opened(recipe: Any) -> tuple[Session, list[str]]:
    said: list[str] = []
    session = open_run(recipe, said.append)
    assert isinstance(session, Session)
    return session, [line for line in said if "tokenised" not in line]


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("dpo", {"eval_fraction": 0.1, "max_tokens": 60, "truncation": "response-right"}),
        ("kto", {"unpair": True, "eval_fraction": 0.1}),
        ("reward", {"eval_fraction": 0.1}),
        ("sft", {}),
    ],
)
def test_trees_counts_places_and_messages_are_the_same(both, method: str, data: dict[str, Any]):
    (memory, said), (disk, told) = both(opened, method=method, data=data, optim={"epochs": 1})
    assert isinstance(disk.train, Stored) and isinstance(memory.train, list)
    assert list(disk.train) == memory.train
    assert [disk.train[i] for i in (0, len(disk.train) - 1)] == [memory.train[0], memory.train[-1]]
    assert list(disk.held_out) == memory.held_out
    assert list(disk.places) == memory.places
    assert list(disk.held_out_records) == memory.held_out_records
    assert disk.rows.summary == memory.rows.summary
    assert disk.rows.describe() == memory.rows.describe()
    assert disk.inputs() == memory.inputs()
    assert said == told
    assert memory.rows.summary["set_aside"] == {"identical-pair": 1, "broken-json": 1}


@pytest.mark.parametrize("method", ["dpo", "sft"])
def test_training_gives_the_same_bits(both, method: str):
    def trained(recipe: Any) -> bytes:
        with RunFolder.open(recipe.output) as folder:
            session = open_run(recipe)
            done = run(session, folder)
        return (done.checkpoint / "model.safetensors").read_bytes()

    changes = {"optim": {"items_per_step": 4, "max_steps": 6, "epochs": 1}, "data": {"eval_fraction": 0.05}}
    memory, disk = both(trained, method=method, **changes)
    assert memory == disk


def test_check_finds_the_same_loss(both):
    def checked(recipe: Any) -> dict[str, Any]:
        found = check_session(open_run(recipe, first_step=True)).as_json()
        return {key: found[key] for key in ("loss", "grad_norm", "items", "tokens", "rows", "masks")}

    memory, disk = both(checked, method="dpo")
    assert memory == disk


def test_a_second_start_reads_nothing_and_another_recipe_reads_again(both, tmp_path: Path, monkeypatch):
    read: list[int] = []
    real = stored.work_through
    monkeypatch.setattr(stored, "work_through", lambda *args, **how: read.append(1) or real(*args, **how))
    _, (first, _) = both(opened, only="disk", method="dpo")
    _, (second, _) = both(opened, only="disk", method="dpo")
    assert read == [1]
    assert list(second.train) == list(first.train)
    both(opened, only="disk", method="dpo", data={"max_tokens": 100})
    assert read == [1, 1]


def test_files_are_named_as_people_name_them(both, many_rows: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(many_rows.parent)
    for name in ("./many.jsonl", "./m*y.jsonl"):
        memory, disk = both(lambda recipe: open_run(recipe), method="sft", data={"train": [name]})
        assert disk.inputs() == memory.inputs() and disk.places[0] == memory.places[0]


def test_a_file_that_changes_while_it_is_read_is_told_and_stores_nothing(
    both, many_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = stored.work_through

    def slow(*args: Any, **how: Any) -> Any:
        with many_rows.open("a", encoding="utf-8") as file:
            file.write('{"prompt": "late", "chosen": "a", "rejected": "b"}\n')
        return real(*args, **how)

    def begun(recipe: Any) -> str:
        monkeypatch.setattr(stored, "work_through", slow)
        with pytest.raises(DataError) as caught:
            open_run(recipe)
        return str(caught.value)

    assert "many.jsonl has changed while it was read" in both(begun, only="disk", method="dpo")[1]
    assert list((tmp_path / "cache" / "rows").iterdir()) == []


def test_of_two_ranks_one_reads(two: Two, both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = stored.work_through

    def noted(*args: Any, **how: Any) -> Any:
        (tmp_path / f"read-by-{world().rank}").touch()
        return real(*args, **how)

    monkeypatch.setattr(stored, "work_through", noted)

    def begun(recipe: Any) -> list[list[str]]:
        return two(lambda here: [*map(str, opened(recipe)[0].train)])

    first, second = both(begun, only="disk", method="sft")[1]
    assert first == second and len(first) == 298
    assert [path.name for path in tmp_path.glob("read-by-*")] == ["read-by-0"]


def test_rows_are_read_again_for_another_tokenizer(both, monkeypatch: pytest.MonkeyPatch):
    names: list[str] = []
    real = stored._opened
    monkeypatch.setattr(
        stored, "_opened", lambda folder, files: names.append(folder.name) or real(folder, files)
    )
    both(opened, only="disk", method="sft")
    monkeypatch.setattr(stored, "_opened_as", lambda renderer: ("Another", "rules"))
    both(opened, only="disk", method="sft")
    assert len(set(names)) == 2


def test_the_quarantine_of_stored_rows_is_written_at_every_start(both, bad_rows, tmp_path: Path):
    aside = tmp_path / "quarantine.jsonl"

    def begun(recipe: Any) -> tuple[bytes, bytes]:
        open_run(recipe, aside=aside)
        found = aside.read_bytes(), aside.with_suffix(".reasons.jsonl").read_bytes()
        aside.unlink()
        return found

    first = both(begun, method="dpo")
    second = both(begun, method="dpo")
    assert first[0] == first[1] == second[1]
    assert first[0][0].decode().splitlines() == bad_rows


def test_too_many_bad_rows_stop_and_store_nothing(both, bad_rows, many_rows: Path, tmp_path: Path):
    many_rows.write_text("\n".join([*bad_rows * 5, *many_rows.read_text().splitlines()]), encoding="utf-8")

    def refused(recipe: Any) -> str:
        with pytest.raises(DataError) as caught:
            open_run(recipe)
        return f"{caught.value} {caught.value.hint}"

    memory, disk = both(refused, method="dpo")
    assert memory == disk and "12 of 310 rows are bad" in disk
    assert list((tmp_path / "cache" / "rows").iterdir()) == []


def test_what_a_killed_process_stored_makes_room_before_it_is_asked_for(both, tmp_path: Path, monkeypatch):
    left = tmp_path / "cache" / "rows" / f".of-other-settings{ASIDE}{MACHINE}-7-0000"
    left.mkdir(parents=True)
    (left / "trees.arrow").write_bytes(b"x" * 1000)
    found: list[bool] = []
    monkeypatch.setattr(stored, "require_free_space", lambda folder, needed: found.append(left.exists()))
    both(lambda recipe: open_run(recipe), only="disk", method="sft")
    assert found == [False]


@pytest.mark.parametrize(
    ("method", "data"), [("kto", {}), ("dpo", {"max_tokens": 2, "bad_rows": "skip"})], ids=["unfit", "long"]
)
def test_rows_of_which_none_can_be_used_are_refused_alike_at_every_start(both, method: str, data):
    def refused(recipe: Any) -> str:
        with pytest.raises(DataError) as caught:
            open_run(recipe)
        return f"{caught.value} {caught.value.hint}"

    first, second = both(refused, method=method, data=data), both(refused, method=method, data=data)
    assert first[0] == first[1] == second[1]


def test_rows_of_the_hub_and_few_bytes_stay_in_memory(tmp_path: Path):
    small = tmp_path / "small.jsonl"
    small.write_text("{}\n")
    assert not stored.are_large([str(small)])
    assert not stored.are_large(["hub:organisation/name"])


def test_a_cache_that_cannot_be_written_is_told(both, tmp_path: Path):
    def refused(recipe: Any) -> str:
        (tmp_path / "cache").mkdir(exist_ok=True)
        (tmp_path / "cache" / "rows").write_text("a file where a folder should be", encoding="utf-8")
        with pytest.raises(StorageError) as caught:
            open_run(recipe)
        return str(caught.value)

    assert "cache/rows" in both(refused, only="disk", method="sft")[1]
