"""The prompts of a file answered by a model: what servers cannot take, what dies, what ranks may not do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.cli.show import stage
from truing.core.errors import DataError, UsageError
from truing.models.world import World
from truing.pipelines.sampling import FileSampling, sample_file
from truing.sampling.served import Servers

from ..sampling.model_server import ModelServer
from ..sampling.stand_in import StandIn


@pytest.fixture
def short() -> Iterator[StandIn]:
    """A server whose context is 64 tokens."""
    server = StandIn(context=64)
    yield server
    server.close()


@pytest.fixture
def asking(model_folder: Path, tmp_path: Path) -> Any:
    """Makes the request for two greedy responses to some prompts."""

    def ask(prompts: list[str], name: str = "said", **options: Any) -> FileSampling:
        file = tmp_path / "prompts.jsonl"
        file.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
        settings = {"max_new_tokens": 6, "temperature": 0.0, "seed": 0}
        return FileSampling(str(model_folder), file, tmp_path / f"{name}.jsonl", 2, settings, **options)

    return ask


def prompts_in(path: Path) -> list[str]:
    return [json.loads(line)["prompt"][0]["content"] for line in path.read_text("utf-8").splitlines()]


def test_a_prompt_that_no_server_can_take_is_left_out_and_told(asking, short: StandIn):
    asked, said = asking(["One?", "w " * 300, "Two?"], servers=Servers((short.url,))), list[str]()
    assert sample_file(asked, World(), said.append, stage) == 4
    assert any(
        line.startswith("not asked: prompts.jsonl:2: ") and "context is 64" in line for line in said
    ), said
    assert prompts_in(asked.output) == ["One?", "One?", "Two?", "Two?"]


def test_where_no_prompt_can_be_asked_it_ends_with_an_error(asking, short: StandIn):
    asked, said = asking(["w " * 300] * 7, servers=Servers((short.url,))), list[str]()
    with pytest.raises(DataError, match="none of 7 prompts can be asked"):
        sample_file(asked, World(), said.append, stage)
    assert sum(line.startswith("not asked: ") for line in said) == 5 and "7 prompts were not asked" in said


def test_a_server_that_dies_loses_no_row(asking, model_folder: Path):
    questions, said = [f"Question {i}?" for i in range(30)], list[str]()
    here = asking(questions, "here")
    assert sample_file(here, World(), said.append, stage) == 60
    with ModelServer(model_folder, dies_after=7) as one, ModelServer(model_folder) as two:
        there = asking(questions, "there", servers=Servers((one.url, two.url)))
        assert sample_file(there, World(), said.append, stage) == 60
        assert one.dead
    assert any("is left out until it is well again" in line for line in said)
    assert there.output.read_bytes() == here.output.read_bytes()


def test_several_ranks_ask_no_servers(asking):
    asked = asking(["One?"], servers=Servers(("http://127.0.0.1:9",)))
    with pytest.raises(UsageError, match="2 processes were started to ask them"):
        sample_file(asked, World(rank=0, size=2), print, stage)
