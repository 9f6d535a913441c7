"""The pace of a machine for the quickstart: a few real prompts, responses and training steps, timed.

The model, the rows and the number format are those of the later stages. The measurement takes about 5 % of
the quickstart.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from truing.config.recipe import Recipe
from truing.data.convert import write_jsonl
from truing.evals.suites.headlines import Headline
from truing.models.trained import load_trained
from truing.pipelines.budget import FEWER, MachinePace
from truing.runs.session import open_session
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling
from truing.text.units import first_sentence
from truing.training.loop import run_steps
from truing.training.optim import make_optimizer

WRITTEN = 8  # tokens of each response after the first
WORDS = 10  # about as many tokens as a retained response has
STEPS = 4  # the first builds kernels and does not count
IN_FLIGHT = 4096  # tokens of prompts and responses in the sampler's cache at once: 200 MB in float32

_Result = TypeVar("_Result")


def _timed(work: Callable[[], _Result]) -> tuple[float, _Result]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def speaker_of(source: str, dtype: str) -> Speaker:
    """Open a model that answers; the cache is small, since the sampler holds the weights a second time."""
    return Speaker.of(load_trained(source, dtype=dtype), tokens_in_flight=IN_FLIGHT)


def sampling_pace(policy: str, dtype: str, headlines: Sequence[Headline]) -> tuple[dict[str, float], float]:
    """Measure `load`, `read` and `write` of a pace, and a prompt's mean tokens after the shared beginning."""
    load, speaker = _timed(lambda: speaker_of(policy, dtype))
    prompts = [headline.benign for headline in headlines]
    speaker.answer(prompts[:2], Sampling(max_new_tokens=2, logprobs=False))  # lays the weights out
    one, more = (
        _timed(lambda n=n: speaker.answer(prompts, Sampling(max_new_tokens=n, logprobs=False)))[0]
        for n in (1, 1 + WRITTEN)
    )
    ids = [speaker.prompt_ids(prompt) for prompt in prompts]
    tokens = sum(map(len, ids)) / len(ids) - _alike(ids)
    pace = {
        "load": load,
        "read": one / (len(ids) * tokens),
        "write": max(0.0, more - one) / (len(ids) * WRITTEN),
    }
    return pace, tokens


def _alike(ids: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all prompts share at the beginning."""
    return next((at for at, column in enumerate(zip(*ids, strict=False)) if len(set(column)) > 1), 0)


def learning_pace(recipe: dict[str, Any], headlines: Sequence[Headline]) -> dict[str, float]:
    """Measure `keep` and `learn` of a pace: the first steps of an SFT `recipe` on rows of these headlines."""
    few = headlines[: STEPS * FEWER.per_step]
    rows = {
        "train": [{"prompt": h.harmful, "completion": first_sentence(h.refusal)} for h in few],
        "retain": [{"prompt": h.benign, "completion": " ".join(h.benign.split()[:WORDS])} for h in few],
    }
    with TemporaryDirectory() as place:
        for name, some in rows.items():
            write_jsonl(Path(place, f"{name}.jsonl"), some)
        files = {name: [str(Path(place, f"{name}.jsonl"))] for name in rows}
        asked = {"data": recipe["data"] | files, "output": str(Path(place, "run"))}
        optim = recipe["optim"] | {"items_per_step": FEWER.per_step, "max_steps": STEPS}
        session = open_session(Recipe.model_validate(recipe | asked | {"optim": optim}))
        keep, _ = _timed(session.keep_frozen)
        ends: list[float] = []
        optimizer = make_optimizer(session.parts, session.recipe.optim)
        learn = partial(session.learn, optimizer)
        run_steps(session.plan, learn, hooks=[lambda step, logs: ends.append(time.perf_counter())])
    step = statistics.median(after - before for before, after in pairwise(ends))
    return {"keep": keep / len(few), "learn": step / FEWER.per_step}


def measured_pace(
    policy: str, recipe: dict[str, Any], headlines: Sequence[Headline]
) -> tuple[MachinePace, float]:
    """Measure this machine's pace and the tokens of a prompt, with one model in memory at a time."""
    learning = learning_pace(recipe, headlines)
    asking, tokens = sampling_pace(policy, recipe["dtype"], headlines)
    return MachinePace(**asking, **learning), tokens
