"""The promises in the help of `sample`: on this machine, on two ranks, on servers, killed and begun again."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.core.records import Message
from truing.data.load import load_records
from truing.data.shards import note_of, read_note
from truing.models.trained import load_trained
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling

from ..sampling.model_server import ModelServer
from ..sampling.stand_in import StandIn


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch):
    """Lines that hold the long paths of tests."""
    monkeypatch.setenv("COLUMNS", "600")


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(folder: Path, count: int) -> Path:
    return write(folder / "prompts.jsonl", *[{"prompt": f"Question {i}?"} for i in range(count)])


def rows_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def until_rows(process: Any, shard: Path) -> None:
    """Wait until the note of a shard counts rows."""
    deadline, note = time.monotonic() + 120, note_of(shard)
    while not (note.exists() and read_note(shard)["rows"]):
        assert process.poll() is None, process.wait().stderr
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_sample_prints_one_json_line_per_response_siblings_together(truing, model_folder, tmp_path):
    file = write(tmp_path / "prompts.jsonl", {"prompt": "From a file"})
    flags = ["--k", 2, "--temperature", 1, "--seed", 3, "--max-new-tokens", 6]
    done = truing("sample", model_folder, "--prompt", "One", "--prompt", "Two", "--file", file, *flags)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    prompts = ["One", "Two", "From a file"]
    assert [(row["prompt"], row["k"]) for row in rows] == [
        ([{"role": "user", "content": prompt}], k) for prompt in prompts for k in (0, 1)
    ]
    speaker = Speaker.of(load_trained(str(model_folder)))
    wanted = speaker.answer(prompts, Sampling(max_new_tokens=6, temperature=1, seed=3), group_size=2)
    assert [(row["response"], row["finish"]) for row in rows] == [(s.text, s.finish) for s in wanted]
    assert rows[0]["response"] != rows[1]["response"]


def test_sample_writes_rows_that_truing_reads(truing, model_folder, tmp_path):
    out = tmp_path / "new" / "said.jsonl"
    done = truing("sample", model_folder, "--prompt", "One", "--max-new-tokens", 3, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    (record,) = load_records(out).records
    assert record.prompt == (Message("user", "One"),)
    (greedy,) = Speaker.of(load_trained(str(model_folder))).answer(["One"], Sampling(max_new_tokens=3))
    assert record.chosen.text == greedy.text


def test_sample_without_a_prompt_says_how_to_give_one(truing, model_folder):
    done = truing("sample", model_folder)
    assert done.returncode == 2
    assert "--prompt" in done.stderr


def test_shards_of_sample_merge_into_the_rows_of_one_process(here, model_folder, tmp_path):
    prompts = write(tmp_path / "prompts.jsonl", *[{"prompt": f"Question {i}?"} for i in range(5)])
    drawn = ["sample", model_folder, "--file", prompts, "--k", 2, "--max-new-tokens", 6, "--temperature", 1]
    whole, merged = tmp_path / "whole.jsonl", tmp_path / "drawn.jsonl"
    assert here(*drawn, "--output", whole).returncode == 0
    for shard in ("2/2", "1/2"):
        done = here(*drawn, "--output", merged, "--shard", shard)
        assert done.returncode == 0, done.stderr
    pattern = tmp_path / "drawn-*-of-00002.jsonl"
    assert f"truing data merge '{pattern}' --output {merged}" in done.stderr
    again = here(*drawn, "--output", merged, "--shard", "2/2")
    assert "wrote 4 responses" in again.stderr and again.returncode == 0
    done = here("data", "merge", pattern, "--output", merged)
    assert done.returncode == 0, done.stderr
    assert merged.read_bytes() == whole.read_bytes()


def test_a_shard_without_a_file_or_with_another_seed_is_refused(here, model_folder, tmp_path):
    prompts = write(tmp_path / "prompts.jsonl", {"prompt": "Why?"})
    drawn = [
        "sample",
        model_folder,
        "--max-new-tokens",
        2,
        "--shard",
        "1/1",
        "--output",
        tmp_path / "a.jsonl",
    ]
    bare_prompt = here(*drawn, "--prompt", "Why?")
    assert bare_prompt.returncode == 2 and "--shard takes the prompts of --file" in bare_prompt.stderr
    assert here(*drawn, "--file", prompts).returncode == 0
    other = here(*drawn, "--file", prompts, "--seed", 7)
    assert other.returncode == 2 and "begun with another request" in other.stderr


def drawn_by(model: Path, prompts: Path, **changes: object) -> list[object]:
    """The command that samples two responses of six tokens to each prompt."""
    flags = {"--k": 2, "--max-new-tokens": 6, "--temperature": 1, "--seed": 3, **changes}
    return ["sample", model, "--file", prompts, *[part for pair in flags.items() for part in pair]]


def test_a_file_of_which_no_prompt_can_be_asked_ends_with_an_error(here, model_folder, tmp_path):
    prompts = write(tmp_path / "prompts.jsonl", {"prompt": "w" * 3000})
    done = here("sample", model_folder, "--file", prompts, "--output", tmp_path / "a.jsonl")
    assert done.returncode != 0 and "Traceback" not in done.stderr


@pytest.mark.parametrize("shard", ["1/1", None])
def test_a_killed_sample_goes_on_and_ends_alike(
    begun: Callable[..., Any], here, model_folder: Path, tmp_path: Path, shard: str | None
) -> None:
    """By SIGKILL after the first rows are on disk, with and without --shard."""
    drawn = drawn_by(model_folder, questions(tmp_path, 400), **{"--max-new-tokens": 12})
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    part = tmp_path / "killed-00001-of-00001.jsonl"
    asked = [*drawn, "--output", killed, *(["--shard", shard] if shard else [])]
    process = begun(*asked)
    until_rows(process, part)
    process.send(signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL
    kept = part.read_bytes()
    assert not killed.exists() and 0 < kept.count(b"\n") < 800
    with part.open("ab") as file:
        file.write(b'{"item": 399, "torn')
    again = here(*asked)
    assert again.returncode == 0, again.stderr
    if shard:
        assert part.read_bytes().startswith(kept)
        assert here("data", "merge", part, "--output", killed).returncode == 0
    else:
        assert not part.exists()
    assert here(*drawn, "--output", whole).returncode == 0
    assert killed.read_bytes() == whole.read_bytes()
    assert whole.read_bytes().count(b"\n") == 800


def test_two_ranks_write_the_rows_of_one_process(ranks, here, model_folder, tmp_path):
    drawn = drawn_by(model_folder, questions(tmp_path, 5))
    whole, both = tmp_path / "whole.jsonl", tmp_path / "both.jsonl"
    assert here(*drawn, "--output", whole).returncode == 0
    ended = [rank.wait() for rank in ranks(*drawn, "--output", both)]
    assert [one.returncode for one in ended] == [0, 0], ended
    assert "wrote 10 responses" in ended[0].stderr and ended[1].stderr == ""
    assert both.read_bytes() == whole.read_bytes()
    assert [path.name for path in tmp_path.glob("both-*")] == []


def test_ranks_divide_a_shard(ranks, here, model_folder, tmp_path):
    """Two shards, the second of them on two ranks, as an array of machines with two GPUs each would."""
    drawn = drawn_by(model_folder, questions(tmp_path, 7))
    whole, merged = tmp_path / "whole.jsonl", tmp_path / "merged.jsonl"
    assert here(*drawn, "--output", whole).returncode == 0
    for shard in ("1/2", "2/2"):
        ended = [rank.wait() for rank in ranks(*drawn, "--output", merged, "--shard", shard)]
        assert [one.returncode for one in ended] == [0, 0], ended
    pattern = tmp_path / "merged-*-of-00004.jsonl"
    assert f"truing data merge '{pattern}' --output {merged}" in ended[0].stderr
    assert here("data", "merge", pattern, "--output", merged).returncode == 0
    assert merged.read_bytes() == whole.read_bytes()


def test_a_killed_rank_ends_the_other_and_the_same_command_goes_on(ranks, here, model_folder, tmp_path):
    drawn = drawn_by(model_folder, questions(tmp_path, 800), **{"--max-new-tokens": 12})
    whole, both = tmp_path / "whole.jsonl", tmp_path / "both.jsonl"
    first = ranks(*drawn, "--output", both)
    until_rows(first[1], tmp_path / "both-00002-of-00002.jsonl")
    first[1].send(signal.SIGKILL)
    ended = [rank.wait() for rank in first]
    assert ended[0].returncode == 1 and "has gone without a word" in ended[0].stderr, ended[0]
    assert ended[1].returncode == -signal.SIGKILL and not both.exists()
    again = [rank.wait() for rank in ranks(*drawn, "--output", both)]
    assert [one.returncode for one in again] == [0, 0], again
    assert here(*drawn, "--output", whole).returncode == 0
    assert both.read_bytes() == whole.read_bytes()


def test_ranks_need_a_file_and_draw_themselves(ranks, model_folder, tmp_path):
    prompts = questions(tmp_path, 1)
    bare = [rank.wait() for rank in ranks("sample", model_folder, "--prompt", "Why?")]
    assert {one.returncode for one in bare} == {2} and "several processes take the prompts" in bare[0].stderr
    flags = ["--output", tmp_path / "a.jsonl", "--server", "http://127.0.0.1:9"]
    asked = [rank.wait() for rank in ranks(*drawn_by(model_folder, prompts), *flags)]
    assert {one.returncode for one in asked} == {2} and "2 processes were started" in asked[0].stderr


# servers


def test_servers_draw_what_a_model_would(here, model_folder, tmp_path):
    """Greedy responses of two servers, each with the real model, are those of the model in this process."""
    drawn = drawn_by(model_folder, questions(tmp_path, 9), **{"--k": 1, "--temperature": 0})
    whole, served = tmp_path / "whole.jsonl", tmp_path / "served.jsonl"
    assert here(*drawn, "--output", whole).returncode == 0
    with ModelServer(model_folder) as one, ModelServer(model_folder) as two:
        done = here(*drawn, "--output", served, "--server", one.url, "--server", two.url)
    assert done.returncode == 0, done.stderr
    assert served.read_bytes() == whole.read_bytes()


def test_a_server_draws_for_the_terminal(here, model_folder):
    with ModelServer(model_folder) as one:
        done = here("sample", model_folder, "--prompt", "Why?", "--max-new-tokens", 4, "--server", one.url)
    assert done.returncode == 0, done.stderr
    (greedy,) = Speaker.of(load_trained(str(model_folder))).answer(["Why?"], Sampling(max_new_tokens=4))
    assert json.loads(done.stdout)["response"] == greedy.text


def test_an_adapter_is_given_to_every_server(here, recipe, model_folder, tmp_path):
    """A run with LoRA: what servers of its base draw is what the run itself answers."""
    trained = here("train", recipe(optim={"learning_rate": 0.05, "items_per_step": 3, "epochs": 2}))
    assert trained.returncode == 0, trained.stderr
    prompts = questions(tmp_path, 6)
    of_run, of_base, served = (tmp_path / f"{name}.jsonl" for name in ("run", "base", "served"))
    greedy = {"--k": 1, "--temperature": 0, "--max-new-tokens": 12}
    for model, output in ((tmp_path / "run", of_run), (model_folder, of_base)):
        assert here(*drawn_by(model, prompts, **greedy), "--output", output).returncode == 0
    with ModelServer(model_folder) as one, ModelServer(model_folder) as two:
        asked = drawn_by(tmp_path / "run", prompts, **greedy)
        done = here(*asked, "--output", served, "--server", one.url, "--server", two.url)
    assert done.returncode == 0, done.stderr
    assert rows_in(served) == rows_in(of_run) != rows_in(of_base)


def test_a_server_that_dies_loses_no_row(here, model_folder, tmp_path):
    drawn = drawn_by(model_folder, questions(tmp_path, 40), **{"--k": 1, "--temperature": 0})
    whole, served = tmp_path / "whole.jsonl", tmp_path / "served.jsonl"
    assert here(*drawn, "--output", whole).returncode == 0
    with ModelServer(model_folder, dies_after=7) as one, ModelServer(model_folder) as two:
        done = here(*drawn, "--output", served, "--server", one.url, "--server", two.url)
        assert one.dead
    assert done.returncode == 0, done.stderr
    assert "is left out until it is well again" in done.stderr
    assert served.read_bytes() == whole.read_bytes()


def test_a_verb_that_is_killed_while_servers_draw_goes_on(begun, here, model_folder, tmp_path):
    """Its rows are those of an undisturbed run, each once, and none that was on disk is asked for again."""
    prompts = questions(tmp_path, 300)
    slow = StandIn(context=512)
    try:
        asked = [*drawn_by(model_folder, prompts), "--server", slow.url, "--in-flight", 4]
        killed, whole = tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
        part = tmp_path / "killed-00001-of-00001.jsonl"
        process = begun(*asked, "--output", killed)
        until_rows(process, part)
        process.send(signal.SIGKILL)
        assert process.wait().returncode == -signal.SIGKILL
        kept, before = read_note(part)["rows"], len(slow.asked())
        assert 0 < kept < 600 and not killed.exists()
        done = here(*asked, "--output", killed)
        assert done.returncode == 0, done.stderr
        assert len(slow.asked()) - before <= 600 - kept
        assert here(*asked, "--output", whole).returncode == 0
    finally:
        slow.close()
    assert killed.read_bytes() == whole.read_bytes()
    told = [(row["prompt"][0]["content"], row["k"]) for row in rows_in(killed)]
    assert told == [(f"Question {i}?", k) for i in range(300) for k in (0, 1)]
