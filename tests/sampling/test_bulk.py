"""Many prompts answered into a shard by servers: how far reading may be ahead of writing."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from truing.core.records import Record, user
from truing.data.shards import Shard, ShardFile
from truing.sampling.bulk import ROOM, answer_served
from truing.sampling.served import Servers, served
from truing.sampling.types import Sampling

from ..serving import Reply, Request, Server, as_json

IN_FLIGHT = 4
COUNT = 150


class Holding:
    """A server that answers at once, but for its first request, which it answers when it gets no others."""

    def __init__(self) -> None:
        self.lock, self.asked, self.at_once, self.most = threading.Lock(), 0, 0, 0
        self.asked_while_held = 0
        self.server = Server(self.answer)

    def answer(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return as_json({"data": [{"id": "base", "parent": None, "max_model_len": 512}]})
        if request.path != "/v1/completions":
            return as_json({})
        with self.lock:
            self.asked += 1
            first = self.asked == 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        while first:
            before = self.asked
            time.sleep(0.3)
            if self.asked == before:
                self.asked_while_held, first = before, False
        with self.lock:
            self.at_once -= 1
        return as_json({"choices": [{"token_ids": [9, 10], "finish_reason": "length"}]})


@pytest.fixture
def holding() -> Iterator[Holding]:
    one = Holding()
    yield one
    one.server.close()


def test_reading_waits_for_writing_and_rows_come_in_order(
    holding: Holding, model_folder: Path, tmp_path: Path
) -> None:
    """While the first response is missing, no more than ROOM prompts for each request under way are read."""
    read = 0

    def items() -> Iterator[tuple[int, Record]]:
        nonlocal read
        for item in range(COUNT):
            read += 1
            yield item, Record(user(f"Question {item}?"), place=f"row {item}")

    ahead: list[int] = []
    responder = served(str(model_folder), Servers((holding.server.url,), in_flight=IN_FLIGHT), print)

    def on_done(done: int) -> None:
        ahead.append(read - done)

    how = {"group_size": 1, "say": print, "on_done": on_done}
    with ShardFile(Shard(1, 1), tmp_path / "said.jsonl", COUNT, {}) as file:
        answer_served(file, responder, items(), Sampling(max_new_tokens=2), **how)
        assert file.done == file.rows == COUNT
        rows = [json.loads(line) for line in file.path.read_text("utf-8").splitlines()]
    assert [row["item"] for row in rows] == list(range(COUNT))
    assert [row["prompt"][0]["content"] for row in rows] == [f"Question {item}?" for item in range(COUNT)]
    assert 1 < holding.most <= IN_FLIGHT
    assert IN_FLIGHT < holding.asked_while_held <= ROOM * IN_FLIGHT
    assert holding.asked == COUNT and max(ahead) <= ROOM * IN_FLIGHT
