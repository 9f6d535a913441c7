"""The portions of ranks: a shard each, merged by rank 0 where the user asked for none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from truing.cli.show import stage
from truing.data.shards import Items, merge
from truing.models.world import World
from truing.pipelines.portions import portion_of, whole

COUNT = 7


@pytest.fixture
def items(tmp_path: Path) -> Items:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{i}"}) + "\n" for i in range(COUNT)))
    return Items.count([str(path)], lambda record: True)


@pytest.fixture
def work(items: Items, tmp_path: Path) -> Callable[[str | None], Callable[[World], object]]:
    """Makes the work of a rank: a row of every item, and what it said."""

    def of(shard: str | None) -> Callable[[World], object]:
        def do(here: World) -> object:
            said: list[str] = []
            output = tmp_path / "out.jsonl"
            with portion_of(here, output, shard, items, {"verb": "test"}, said.append, stage) as portion:
                file = portion.file
                with portion.watch("sampling", len(file)) as line:
                    for (item,) in file.left(1):
                        file.add([item], [(item, {"rank": here.rank, "of": item})])
                        line.update(file.done)
                portion.say("done")
            return [whole(here, portion), said, file.path.name]

        return do

    return of


def rows_of(path: Path) -> list[list[int]]:
    return [[row["of"], row["rank"]] for row in map(json.loads, path.read_text().splitlines())]


def test_two_ranks_write_one_file(two, work, tmp_path: Path):
    main, other = two(work(None))
    assert main == [COUNT, ["done"], "out-00001-of-00002.jsonl"]
    assert other == [COUNT, [], "out-00002-of-00002.jsonl"]
    assert rows_of(tmp_path / "out.jsonl") == [[item, item % 2] for item in range(COUNT)]
    assert list(tmp_path.glob("out-*")) == [], "the shards have become the output"


def test_one_process_writes_one_file(work, tmp_path: Path):
    assert work(None)(World()) == [COUNT, ["done"], "out-00001-of-00001.jsonl"]
    assert rows_of(tmp_path / "out.jsonl") == [[item, 0] for item in range(COUNT)]


def test_ranks_of_a_shard_leave_the_merge_to_the_user(two, work, tmp_path: Path):
    for shard in ("1/2", "2/2"):
        two(work(shard))
    assert not (tmp_path / "out.jsonl").exists()
    paths = [tmp_path / f"out-{number:05}-of-00004.jsonl" for number in range(1, 5)]
    assert merge(paths, tmp_path / "merged.jsonl") == COUNT
    assert [of for of, _ in rows_of(tmp_path / "merged.jsonl")] == list(range(COUNT))
