"""Work in shards: every item once, whatever is killed, and a merge that refuses what is not whole."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from truing.core.errors import DataError, StorageError, UsageError
from truing.data.shards import Items, Shard, ShardFile, merge, note_of

REQUEST = {"verb": "sample", "seed": 3}


def rows_of(items: list[int]) -> list[tuple[int, dict]]:
    """No row of an item that 5 divides, two of the others."""
    return [(item, {"text": f"你好 {item}", "k": k}) for item in items if item % 5 for k in range(2)]


def write(folder: Path, shard: Shard, total: int, *, most: int = 3, batches: int | None = None) -> Path:
    with ShardFile(shard, folder / "out.jsonl", total, REQUEST) as file:
        for number, items in enumerate(file.left(most)):
            if number == batches:
                break
            file.add(items, rows_of(items))
        return file.path


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "x/3", "1", "1/4 ", "-1/4"])
def test_what_is_no_shard_is_refused(text: str):
    with pytest.raises(UsageError, match="expected a number and how many there are") as caught:
        Shard.read(text)
    assert "from 1" in caught.value.hint


@pytest.mark.parametrize(("total", "of"), [(20, 4), (7, 3), (2, 5)])
def test_shards_hold_every_item_once_and_merge_in_order(tmp_path: Path, total: int, of: int):
    shards = [Shard.read(f"{n}/{of}") for n in range(1, of + 1)]
    assert sorted(item for one in shards for item in one.items_of(total)) == list(range(total))
    paths = [write(tmp_path, shard, total) for shard in reversed(shards)]
    count = merge(paths, tmp_path / "out.jsonl")
    found = list(map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()))
    assert found == [row for _, row in rows_of(list(range(total)))]
    assert count == len(found)


def test_a_shard_that_was_killed_goes_on_and_loses_a_torn_row(tmp_path: Path):
    shard = Shard(1, 1)
    path = write(tmp_path, shard, 12, batches=2)
    with path.open("ab") as file:
        file.write(b'{"item": 6, "text": "torn')
    seen: list[list[int]] = []
    with ShardFile(shard, tmp_path / "out.jsonl", 12, REQUEST) as file:
        assert file.done == 6
        for items in file.left(4):
            seen.append(items)
            file.add(items, rows_of(items))
    assert seen == [[6, 7, 8, 9], [10, 11]]
    merge([path], tmp_path / "all.jsonl")
    whole = list(map(json.loads, (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()))
    assert whole == [row for _, row in rows_of(list(range(12)))]


@contextmanager
def at_most(kind: int, most: int) -> Iterator[None]:
    """Bound what this process may use of a resource in the block."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def test_rows_that_are_written_in_part_are_written_again(tmp_path: Path):
    with ShardFile(Shard(1, 1), tmp_path / "out.jsonl", 12, REQUEST) as file:
        for items in file.left(6):
            if not file.done:
                with at_most(resource.RLIMIT_FSIZE, 100), pytest.raises(StorageError):
                    file.add(items, rows_of(items))
                assert (file.path.stat().st_size, file.done) == (100, 0)
                break
    path = write(tmp_path, Shard(1, 1), 12)
    merge([path], tmp_path / "all.jsonl")
    whole = list(map(json.loads, (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()))
    assert whole == [row for _, row in rows_of(list(range(12)))]


def test_more_shards_merge_than_files_may_be_open(tmp_path: Path):
    paths = [write(tmp_path, Shard(n, 60), 200) for n in range(1, 61)]
    spare = [os.dup(0) for _ in range(10)]  # the lowest numbers that no open file has
    for number in spare:
        os.close(number)
    with at_most(resource.RLIMIT_NOFILE, max(spare) + 1):
        merge(paths, tmp_path / "all.jsonl")
    assert len((tmp_path / "all.jsonl").read_bytes().splitlines()) == len(rows_of(list(range(200))))


def test_a_finished_shard_that_was_changed_is_not_taken_for_finished(tmp_path: Path):
    path = write(tmp_path, Shard(1, 1), 4)
    path.write_bytes(path.read_bytes().replace(b"1", b"7"))
    with (
        pytest.raises(DataError, match="has another content than was written"),
        ShardFile(Shard(1, 1), tmp_path / "out.jsonl", 4, REQUEST),
    ):
        pass


def test_another_request_or_a_second_process_is_refused(tmp_path: Path):
    path = write(tmp_path, Shard(1, 2), 10)
    with pytest.raises(UsageError, match="begun with another request"):
        ShardFile(Shard(1, 2), tmp_path / "out.jsonl", 10, REQUEST | {"seed": 4}).__enter__()
    with (
        ShardFile(Shard(1, 2), tmp_path / "out.jsonl", 10, REQUEST),
        pytest.raises(UsageError, match="being written by another process"),
    ):
        ShardFile(Shard(1, 2), tmp_path / "out.jsonl", 10, REQUEST).__enter__()
    assert path.exists()


def test_the_merge_names_what_is_missing_doubled_or_unfinished(tmp_path: Path):
    paths = [write(tmp_path, Shard(n, 4), 20) for n in (1, 3)]
    target = tmp_path / "out.jsonl"
    with pytest.raises(DataError, match="of 4 shards these are missing: 2, 4"):
        merge(paths, target)
    with pytest.raises(DataError, match=r"shard 1 of 4 is given twice: .*00001-of-00004.jsonl, "):
        merge([*paths, paths[0].parent / "." / paths[0].name, copied(paths[0])], target)
    paths += [write(tmp_path, Shard(2, 4), 20), write(tmp_path, Shard(4, 4), 20, batches=1)]
    with pytest.raises(DataError, match="is not finished: 3 of 5 items") as caught:
        merge(paths, target)
    assert "goes on from there" in caught.value.hint
    assert not target.exists()


def copied(path: Path) -> Path:
    target = path.with_name(f"copy-{path.name}")
    target.write_bytes(path.read_bytes())
    note_of(target).write_bytes(note_of(path).read_bytes())
    return target


def test_the_merge_refuses_changed_files_lost_notes_and_other_work(tmp_path: Path):
    paths = [write(tmp_path, Shard(n, 2), 10) for n in (1, 2)]
    paths[1].write_text(paths[1].read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8")
    with pytest.raises(DataError, match="another content than was written"):
        merge(paths, tmp_path / "all.jsonl")
    note = json.loads(note_of(paths[1]).read_text(encoding="utf-8"))
    note_of(paths[1]).write_text(json.dumps(note | {"request": {"verb": "score"}}), encoding="utf-8")
    with pytest.raises(DataError, match="shards of different work"):
        merge(paths, tmp_path / "all.jsonl")
    note_of(paths[1]).unlink()
    with pytest.raises(DataError, match="has no note"):
        merge(paths, tmp_path / "all.jsonl")


def test_a_shard_reads_only_its_own_wanted_rows(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"p{i}", "completion": "c" if i % 3 else "d"} for i in range(10)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    items = Items.count([str(path)], lambda one: one.chosen.text == "c")
    assert items.total == 6 and items.sources[0].read == 10
    assert {item: one.number for item, one in items.of(Shard(2, 3))} == {1: 3, 4: 8}
    assert [item for item, _ in items.of(Shard(2, 3), done=1)] == [4]


def test_ranks_divide_the_items_of_a_shard():
    of_ranks = [Shard(2, 3).within(rank, 4) for rank in range(4)]
    assert [one.of for one in of_ranks] == [12] * 4
    found = [item for one in of_ranks for item in one.items_of(50)]
    assert sorted(found) == list(Shard(2, 3).items_of(50))


def test_rows_that_go_while_they_are_read_are_told(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{i}"}) + "\n" for i in range(9)))
    items = Items.count([str(path)], lambda one: True)
    path.write_text("".join(json.dumps({"prompt": f"p{i}"}) + "\n" for i in range(5)))
    with pytest.raises(DataError, match="has lost rows while it was read"):
        list(items.of(Shard(1, 1)))
