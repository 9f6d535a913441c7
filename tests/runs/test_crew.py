"""A run of two processes is the run of one: real processes that speak over gloo, with different rows each.

`make test-scale` goes through all cases; `make test` through some of them, with fewer steps.
"""

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from truing.config.recipe import Lora
from truing.config.run_folder import RunState, ask_to_stop, read_metrics, read_status
from truing.models import checkpoint
from truing.models.load import add_adapter, trainable
from truing.models.scoring import Scorer
from truing.models.world import Traffic, World
from truing.runs.crew import crew_of, traffic_of

from ..tables import each
from ..two_ranks import Two
from .ends import assert_same

WHOLE = "TRUING_SCALE" in os.environ  # `make test-scale`: every case, of as many steps as the bar says
STEPS = 20 if WHOLE else 4
pytestmark = pytest.mark.timeout(3 * 3600 if WHOLE else 600)  # a table of cases is one test
HALF = STEPS // 2
WORDS = ("good", "bad", "yes", "no", "maybe", "bread", "water", "salt", "flour", "oven", "bake", "mix")
LONG = {"items_per_step": 6, "epochs": 10_000, "learning_rate": 1e-4}
CLOCK = {"seconds", "tokens_per_second"}


def words(generator: torch.Generator, most: int) -> str:
    count = int(torch.randint(1, most, (1,), generator=generator))
    return " ".join(WORDS[i] for i in torch.randint(len(WORDS), (count,), generator=generator))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of 40 rows of unlike lengths: pairs, labelled responses, demonstrations."""
    folder, generator = tmp_path_factory.mktemp("ranks"), torch.Generator().manual_seed(3)
    pairs = [
        {
            "prompt": f"Question {i}? {words(generator, 9)}",
            "chosen": words(generator, 16),
            "rejected": words(generator, 16),
        }
        for i in range(40)
    ]
    kinds = {
        "pairs": pairs,
        "labels": [
            {"prompt": row["prompt"], "completion": row["chosen"], "label": i % 3 > 0}
            for i, row in enumerate(pairs)
        ],
        "texts": [{"prompt": row["prompt"], "completion": row["chosen"]} for row in pairs],
        "prompts": [{"prompt": row["prompt"]} for row in pairs],
    }
    for name, content in kinds.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    return {name: str(folder / f"{name}.jsonl") for name in kinds}


@pytest.fixture(scope="module")
def tied_folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with tied embeddings."""
    folder = tmp_path_factory.mktemp("tied") / "model"
    shutil.copytree(model_folder, folder)
    model = LlamaForCausalLM.from_pretrained(folder)
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Case:
    """A method with a kind of rows, trained in full or with an adapter, on a tied model or not."""

    method: str
    rows: str
    lora: bool
    tied: bool
    more: tuple[tuple[str, Any], ...] = ()
    retains: bool = False

    @property
    def samples(self) -> bool:
        return "sampling" in dict(self.more)

    def recipe(self, rows: dict[str, str], policy: Path) -> dict[str, Any]:
        return {
            "method": self.method,
            "policy": str(policy),
            "data": {
                "train": [rows[self.rows]],
                "eval_fraction": 0.1,
                **({"retain": [rows["texts"]], "retain_per_step": 4} if self.retains else {}),
            },
            "lora": {"r": 4} if self.lora else None,
            "dtype": "float32",
            "optim": {
                "items_per_step": 6,
                "epochs": 10,
                "max_steps": STEPS,
                # Four updates a step at 5e-3 lead PPO where a change of its weights by a millionth
                # changes the gradient by half a thousandth: no bar holds there.
                "learning_rate": 5e-3 if self.lora and self.method != "ppo" else 1e-3,
            },
            "tokens_per_pass": 120,
            "evaluate": {"every": HALF},
            "checkpoint": {"every": HALF, "keep": 9},
            **dict(self.more),
        }


# A reward, and with it a sampler that gives every run the responses that the first run drew. A draw falls on
# the border of two tokens once in some thousand responses, and two roundings choose either.
SAMPLED = """
import json, os
from dataclasses import asdict
from pathlib import Path
from truing.sampling.local import LocalSampler
from truing.sampling.types import Finish, Sample

KEPT, ALONE, drawn = Path("samples.jsonl"), "RANK" not in os.environ, LocalSampler.sample
known = {}

def sample(self, prompts, sampling, *, group_size=1, step=0, keys=None):
    found = drawn(self, prompts, sampling, group_size=group_size, step=step, keys=keys)
    if not known and not ALONE:
        known.update((row["key"], row["sample"]) for row in map(json.loads, KEPT.open()))
    for place, one in enumerate(found):
        key = f"{self._version} {step} {keys[one.prompt]} {one.k}"
        if ALONE:
            KEPT.open("a").write(json.dumps({"key": key, "sample": asdict(one)}) + "\\n")
            continue
        first = known[key]
        Path("same" if first["tokens"] == one.tokens else "other").open("a").write(".")
        if first["tokens"] != one.tokens:
            first = first | {"prompt": one.prompt, "finish": Finish(first["finish"])}
            found[place] = Sample(**first)
    return found

LocalSampler.sample = sample

def letters(responses):
    return [sum(c in "abcdefghijklm" for c in text) / max(1, len(text)) for text in responses]
"""
ASKED = (
    ("rewards", [{"name": "sampled:letters"}]),
    ("sampling", {"max_new_tokens": 12, "temperature": 1.0}),
    ("online", {"group_size": 3}),
)
METHODS = {
    "sft": ("texts", ()),
    "dpo": ("pairs", ()),
    "kto": ("labels", ()),
    "reward": ("pairs", ()),
    "grpo": ("prompts", ASKED),
    "ppo": ("prompts", ASKED if WHOLE else (*ASKED, ("online", {"group_size": 3, "epochs": 2}))),
}
# Every method, in full and with an adapter, untied and tied.
CASES = {
    f"{method} {'lora' if lora else 'full'} {'tied' if tied else 'untied'}": Case(
        method, kind, lora=lora, tied=tied, more=more
    )
    for (method, (kind, more)), lora, tied in product(METHODS.items(), (False, True), (False, True))
} | {
    "dpo coupled": Case("dpo", "pairs", lora=True, tied=False, more=(("loss", {"name": "aot"}),)),
    "bco": Case("bco", "labels", lora=True, tied=False),
    "sft retaining": Case("sft", "texts", lora=True, tied=True, retains=True),
}


@pytest.fixture
def written(rows, model_folder: Path, tied_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the recipe of a case with its run in `tmp_path/NAME`; keyword arguments replace keys."""

    def write(case: Case, name: str, **changes: Any) -> Path:
        recipe = case.recipe(rows, tied_folder if case.tied else model_folder)
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(recipe | {"output": str(tmp_path / name)} | changes))
        return path

    return write


def weights(run: Path, step: int = STEPS) -> dict[str, torch.Tensor]:
    return checkpoint.read(run / "checkpoints" / f"step-{step:06d}").tensors["model"]


def norm(tensors: list[torch.Tensor]) -> float:
    return math.sqrt(sum(float(one.double().square().sum()) for one in tensors))


class Apart(NamedTuple):
    """The largest differences of a run from the run of one process."""

    loss: float
    grad_norm: float
    weights: float  # share of the way that they went


def require_alike(run: Path, alone: Path, *, shards: bool = False) -> Apart:
    """Losses, gradient norms and other metrics within 1e-5, weights within 1 % of their way.

    KTO's baseline has 2e-5: it is a difference of sums of 200 nats, which float32 keeps to 1.5e-5.
    """
    ours, theirs = read_metrics(run), read_metrics(alone)
    added = {"ranks/reduced_bytes", "ranks/imbalance"} | ({"ranks/gathered_bytes"} if shards else set())
    for row, wanted in zip(ours, theirs, strict=True):
        assert row.keys() - wanted.keys() == added
        told = wanted.keys() - CLOCK
        for name, most in ((told - {"kl"}, 1e-5), (told & {"kl"}, 2e-5)):
            found, expected = ({k: one[k] for k in name} for one in (row, wanted))
            assert found == pytest.approx(expected, rel=1e-5, abs=most)
    there, wanted, begun = weights(run), weights(alone), weights(alone, HALF)
    apart = norm([there[name] - wanted[name] for name in wanted])
    way = norm([wanted[name] - begun[name] for name in wanted])
    assert way > 0 and apart < 0.01 * way
    pairs = list(zip(ours, theirs, strict=True))
    gaps = [
        max(abs(row[k] - wanted[k]) for row, wanted in pairs for k in wanted if k.startswith(name))
        for name in ("loss", "grad_norm")
    ]
    return Apart(*gaps, apart / way)


@pytest.fixture(scope="module")
def figures(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str, Apart], None]]:
    """Keeps the differences of a case in a layout; `make test-scale` prints them, and the largest last."""
    found: dict[str, list[Apart]] = {}
    shown: Any = request.config.pluginmanager.getplugin("capturemanager")

    def say(layout: str, name: str, apart: Apart) -> None:
        found.setdefault(layout, []).append(apart)
        if WHOLE:
            numbers = f"{apart.loss:.1e}  {apart.grad_norm:.1e}  {apart.weights:.4%}"
            with shown.global_and_fixture_disabled():
                print(f"{layout:15} {name:20} loss, gradient norm, weights: {numbers}", flush=True)

    yield say
    for layout, parts in list(found.items()):
        say(layout, f"largest of {len(parts)}", Apart(*map(max, zip(*parts, strict=True))))


def ended(run: list[Any]) -> None:
    for one in [rank.wait() for rank in run]:
        assert one.returncode == 0, one.stderr[-600:]


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the folder that all runs of a case are started in."""
    folder = tmp_path_factory.mktemp("beside")

    def make(name: str) -> Path:
        made = folder / name
        made.mkdir(exist_ok=True)
        (made / "sampled.py").write_text(SAMPLED)
        return made

    return make


def require_mostly_same(folder: Path) -> None:
    """Require that ranks draw the responses of one process, but for the few on a border."""
    same, other = (
        len(path.read_text()) if path.exists() else 0 for path in (folder / "same", folder / "other")
    )
    assert other <= 0.01 * same, f"{other} of {same + other} responses differ"


@pytest.fixture(scope="module")
def alone(
    rows, model_folder: Path, tied_folder: Path, truing, beside, tmp_path_factory
) -> Callable[[str], Path]:
    """Trains a case in one process, once; returns its run folder."""
    folder = tmp_path_factory.mktemp("alone")

    def train(name: str) -> Path:
        path, run, case = folder / f"{name}.json", folder / name, CASES[name]
        if not run.exists():
            recipe = case.recipe(rows, tied_folder if case.tied else model_folder)
            path.write_text(json.dumps(recipe | {"output": str(run)}))
            done = truing("train", path, "--trust-code", cwd=beside(name))
            assert done.returncode == 0, done.stderr[-600:]
        return run

    return train


SAMPLING = ("grpo lora tied", "ppo full tied")
SHORT = ("sft full untied", "dpo coupled", "kto lora tied", "reward full untied", *SAMPLING)
SHORT_SHARDS = ("sft retaining", "kto full untied", "reward full untied", *SAMPLING, "ppo lora untied")


@pytest.fixture
def compared(written, ranks, alone, beside, tmp_path: Path) -> Callable[..., tuple[list[Any], Apart]]:
    """Trains a case on two ranks and in one process; returns the ranks and how far apart they are."""

    def compare(name: str, **changes: Any) -> tuple[list[Any], Apart]:
        case, path = CASES[name], written(CASES[name], name, **changes)
        for told in ("same", "other"):
            (beside(name) / told).unlink(missing_ok=True)
        if case.samples:
            alone(name)  # whose samples the ranks are given
        both = ranks("train", path, "--trust-code", cwd=beside(name))
        wanted = alone(name)
        ended(both)
        require_mostly_same(beside(name))
        return both, require_alike(tmp_path / name, wanted, shards="ranks" in changes)

    return compare


@each("name", CASES if WHOLE else SHORT)
def test_two_ranks_learn_what_one_process_learns(name: str, compared, figures):
    both, apart = compared(name)
    figures("whole weights", name, apart)
    quiet = both[1].wait()
    assert (quiet.stdout, quiet.stderr) == ("", ""), "rank 0 alone speaks"


@each("name", CASES if WHOLE else SHORT_SHARDS)
def test_ranks_that_hold_shards_learn_what_one_process_learns(
    name: str, compared, alone, figures, tmp_path: Path
):
    _, apart = compared(name, ranks={"shard": True})
    figures("shards", name, apart)
    results = [run / "model" for run in (tmp_path / name, alone(name))]
    there, known = (load_file(next(one.glob("*.safetensors"))) for one in results)
    assert there.keys() == known.keys()
    assert all(torch.allclose(there[key], known[key], atol=1e-4) for key in known)


RESUMED = [("dpo lora untied", False), ("ppo full tied", True), ("ppo lora untied", True)]


@each("name, shard", RESUMED if WHOLE else RESUMED[:1])
def test_a_run_resumes_on_any_number_of_ranks_and_on_the_same_bit_for_bit(
    name: str, shard: bool, written, ranks, alone, beside, tmp_path: Path
):
    case = CASES[name]
    if case.samples:
        alone(name)
    runs = {"whole": [(2, STEPS)], "same": [(2, 3), (2, STEPS)], "other": [(2, 2), (1, 3), (2, STEPS)]}
    found = []
    for kind, parts in runs.items():
        run = f"{name} {kind}"
        for size, last in parts:
            path = written(case, run, checkpoint={"every": 1, "keep": 99}, ranks={"shard": shard})
            going = ranks("train", path, "--trust-code", size=size, cwd=beside(name))
            if last < STEPS:
                going[0].stop_after(last, tmp_path / run, signal.SIGTERM)
            codes = {rank.wait().returncode for rank in going}
            assert codes <= {0, 128 + signal.SIGTERM}
        found.append(weights(tmp_path / run))
    whole, same, other = found
    assert all(torch.equal(same[name], whole[name]) for name in whole)
    assert all(torch.allclose(other[name], whole[name], atol=1e-5) for name in whole)


def test_a_rank_that_is_killed_ends_the_run_within_30_seconds(written, ranks, tmp_path: Path):
    """R13: and the same command on the same ranks then ends as the unbroken run, bit for bit."""
    how = {"optim": LONG | {"max_steps": 24}, "checkpoint": {"every": 2}}
    case = CASES["dpo lora untied"]
    going = ranks("train", written(case, "killed", **how))
    going[0].until(3, tmp_path / "killed")
    began = time.monotonic()
    going[1].send(signal.SIGKILL)
    first = going[0].wait()
    assert first.returncode == 1 and time.monotonic() - began < 30
    assert "gone without a word" in first.stderr
    status = read_status(tmp_path / "killed")
    assert status is not None and status.state is RunState.FAILED and "gone" in status.reason
    for name in ("killed", "whole"):
        ended(ranks("train", written(case, name, **how)))
    assert_same(tmp_path / "killed", tmp_path / "whole")


LOSS = """
import os
def odd(policy, *, beta: float = 0.1):
    if os.environ.get("RANK") == "1" and os.path.exists("burnt/metrics.jsonl"):
        raise ZeroDivisionError("the disk of rank 1 burns")
    return -beta * policy.gap
"""


def test_what_one_rank_raises_ends_all_with_its_words(written, ranks, tmp_path: Path):
    """R13: rank 0 tells the error of rank 1."""
    (tmp_path / "burning.py").write_text(LOSS)
    path = written(CASES["dpo lora untied"], "burnt", loss={"name": "burning:odd"})
    first, second = (rank.wait() for rank in ranks("train", path, "--trust-code", cwd=tmp_path))
    assert (first.returncode, second.returncode) == (1, 1)
    assert "rank 1 failed: ZeroDivisionError: the disk of rank 1 burns" in first.stderr
    status = read_status(tmp_path / "burnt")
    assert status is not None and "burns" in status.reason


def test_a_stop_of_all_ranks_leaves_a_whole_checkpoint(written, ranks, tmp_path: Path):
    going = ranks("train", written(CASES["sft full untied"], "stopped", optim=LONG, ranks={"shard": True}))
    going[0].until(3, tmp_path / "stopped")
    for rank in going:
        rank.send(signal.SIGTERM)
    assert [rank.wait().returncode for rank in going] == [128 + signal.SIGTERM] * 2
    newest = checkpoint.newest(tmp_path / "stopped" / "checkpoints")
    status = read_status(tmp_path / "stopped")
    assert newest is not None and status is not None and status.last_checkpoint == newest.name
    assert len(list(newest.glob("model.part-*.safetensors"))) == 2


def learning(session_of, tiny, pairs, here: World, upset: Callable[[Scorer], object]) -> list[str]:
    """Learn three steps of SFT with an adapter on both ranks, with a scorer that `upset` has changed."""
    model = add_adapter(tiny(), Lora(r=4), dropout=False, seed=0, trained=torch.float32)
    scorer = Scorer(model, layout="trees")
    upset(scorer)
    crew = crew_of(session_of(scorer, pairs, "sft", optim={"items_per_step": 100, "epochs": 3}))
    if not here.main:
        crew.follow()
        return []
    for step in (1, 2, 3):
        crew("learn", step)
    crew.dismiss()
    return ["learnt"]


def test_weights_that_come_apart_end_the_run_with_their_name(two: Two, session_of, tiny, pairs):
    def work(here: World) -> object:
        def shift(scorer: Scorer) -> None:
            last = list(trainable(scorer).values())[-1]
            last.data.reshape(-1)[3] += 1e-3 * here.rank

        return learning(session_of, tiny, pairs, here, shift)

    for error, said, *_ in two(work):
        assert error == "RanksApartError"
        assert said.endswith("mlp.down_proj.lora_B.default.weight")


def test_an_adapter_without_a_gradient_ends_the_run_with_its_name(two: Two, session_of, tiny, pairs):
    def deafen(scorer: Scorer) -> None:
        adapted = scorer.inner.base_model.layers[1].mlp.up_proj
        adapted.register_forward_hook(lambda *given: given[2].detach())

    for error, said, *_ in two(lambda here: learning(session_of, tiny, pairs, here, deafen)):
        assert error == "ModelError", said
        assert "had no gradient in 2 steps" in said and "1.mlp.up_proj" in said


def test_the_traffic_of_a_step_is_that_of_a_rank_and_its_balance_that_of_all():
    """The busiest of 30 tokens on average has 33: a tenth more."""
    found = traffic_of([Traffic(400, 0, 27), Traffic(400, 0, 33)])
    assert found == {"ranks/reduced_bytes": 400, "ranks/imbalance": pytest.approx(0.1)}
    assert traffic_of([Traffic(8, 80, 0)] * 2) == {"ranks/reduced_bytes": 8, "ranks/gathered_bytes": 80}


def test_sound_ranks_learn_on(two: Two, session_of, tiny, pairs):
    found = two(lambda here: learning(session_of, tiny, pairs, here, lambda scorer: None))
    assert found == [["learnt"], []]


def test_a_file_in_the_folder_ends_all_ranks(written, ranks, tmp_path: Path):
    going = ranks("train", written(CASES["sft full untied"], "asked", optim=LONG))
    going[0].until(3, tmp_path / "asked")
    ask_to_stop(tmp_path / "asked")
    assert [rank.wait().returncode for rank in going] == [9, 9]
    status = read_status(tmp_path / "asked")
    assert status is not None and status.reason == f"stopped on request after step {status.step}"
    assert checkpoint.newest(tmp_path / "asked" / "checkpoints") is not None
