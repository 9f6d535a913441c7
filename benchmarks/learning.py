"""Held-out rewards of an online recipe before and after training, and the curve between.

usage: python benchmarks/learning.py RECIPE --output FOLDER --set data.eval_fraction=0.2 --samples 8

The recipe needs held-out prompts (`data.eval` or `data.eval_fraction`) and an adapter. Each is answered
`--samples` times at the recipe's own sampling, with the same random numbers before and after. Intervals are
bootstrapped over prompts, whose answers are not independent. KL is k3 per token against the policy without
its adapter, on the trained policy's own answers. An interrupted command goes on where it stopped.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from curves import Line, draw

from truing.config.config import load_recipe
from truing.config.run_folder import RunFolder, read_metrics, versions
from truing.core.errors import TruingError, UsageError
from truing.core.streams import EVALUATION
from truing.losses.kl import k3
from truing.methods.online import ONLINE
from truing.models.machine import cpu_line
from truing.models.passes import passes_of, tokens_per_pass
from truing.models.reference import AdapterOff
from truing.rollouts.asking import Asked
from truing.rollouts.experience import trees_of
from truing.runs.online_session import OnlineSession
from truing.runs.opening import open_run
from truing.runs.run import run, write_result
from truing.stats.intervals import bootstrap_mean, paired_bootstrap
from truing.training.hooks import Logs


def answers(session: OnlineSession, samples: int) -> Asked:
    session.sampler.refresh(session.model, EVALUATION)
    return session.ask(session.held_out, range(len(session.held_out)), EVALUATION, samples)


def by_prompt(asked: Asked) -> list[float]:
    """The mean reward of each prompt."""
    found: dict[int, list[float]] = {}
    for sample, total in zip(asked.samples, asked.scores.totals, strict=True):
        if total is not None:
            found.setdefault(sample.prompt, []).append(total)
    return [statistics.fmean(found[prompt]) for prompt in sorted(found)]


@torch.no_grad()
def kl_per_token(session: OnlineSession, asked: Asked) -> float:
    """Mean k3 over the tokens of these answers."""
    reference, total, count = AdapterOff(session.scorer), 0.0, 0
    tokens = tokens_per_pass(session.recipe, session.scorer)
    for batch in passes_of(trees_of(asked.rollouts), session.scorer, tokens):
        gap = k3(session.scorer(batch).logps, reference(batch))
        total, count = total + float(gap.sum()), count + len(gap)
    return total / count


def measured(session: OnlineSession, asked: Asked) -> dict[str, Any]:
    rewards = [total for total in asked.scores.totals if total is not None]
    lengths = [len(sample.tokens) for sample in asked.samples]
    return {
        "reward": asdict(bootstrap_mean(by_prompt(asked))),
        "reward_std": statistics.pstdev(rewards),
        "kl": kl_per_token(session, asked),
        "length": statistics.fmean(lengths),
        "clipped_ratio": statistics.fmean(asked.rollouts.truncated),
        **asked.scores.metrics(),
    }


def ratio(value: float, of: float) -> float | None:
    """None where there is nothing to compare with, as where no answer was right."""
    return value / of if of else None


def smoothed(values: list[float], width: int = 5) -> list[float]:
    """The mean of each value and up to `width - 1` before it."""
    return [statistics.fmean(values[max(0, i + 1 - width) : i + 1]) for i in range(len(values))]


def train(session: OnlineSession, folder: RunFolder) -> float:
    """Train to the end; seconds of the steps taken now."""

    def tell(step: int, logs: Logs) -> None:
        if step % 5 == 0:
            print(f"step {step} of {session.plan.total}: reward {logs['reward']:.3f}", flush=True)

    session.log_sample = folder.log_sample
    start = time.perf_counter()
    finished = run(session, folder, watch=[tell])
    write_result(session, folder.path / "model", {"step": finished.step})
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the recipe")
    parser.add_argument("--samples", type=int, default=8, help="answers to each held-out prompt")
    parser.add_argument("--held-out", type=int, help="most held-out prompts; all unless given")
    asked = parser.parse_args()
    try:
        measure_learning(asked)
    except TruingError as error:
        print(f"error: {error}\n{error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)


def opened(asked: argparse.Namespace) -> OnlineSession:
    """The session of an online recipe with an adapter and held-out prompts. Raises UsageError for another."""
    recipe = load_recipe(asked.recipe, [*asked.set, f"output={json.dumps(str(asked.output / 'run'))}"]).recipe
    if recipe.method not in ONLINE or not recipe.lora or not recipe.data.evaluates:
        raise UsageError(
            f"{asked.recipe} needs an online method ({', '.join(ONLINE)}), lora and held-out prompts",
            hint="--set data.eval_fraction=0.2 holds a fifth of the prompts out",
        )
    session = open_run(recipe, lambda line: print(line, flush=True))
    assert isinstance(session, OnlineSession)
    session.held_out = session.held_out[: asked.held_out]
    return session


def measure_learning(asked: argparse.Namespace) -> None:
    """Answers before, training, answers after; writes `learning.json` and `curve.svg`."""
    session = opened(asked)
    recipe = session.recipe
    print(f"answering {len(session.held_out)} held-out prompts {asked.samples} times", flush=True)
    before = answers(session, asked.samples)
    start = measured(session, before)
    print(f"before: {start['reward']}", flush=True)
    with RunFolder.open(recipe.output) as folder:
        seconds = train(session, folder)
        rows = read_metrics(folder.path)
    print("answering the held-out prompts again", flush=True)
    after = answers(session, asked.samples)
    end, gain = measured(session, after), paired_bootstrap(by_prompt(before), by_prompt(after))
    found = {
        "cpu": cpu_line(),
        "recipe": asked.recipe.name,
        "set": asked.set,
        "steps": len(rows),
        "minutes": sum(row["seconds"] for row in rows) / 60,
        "minutes_now": seconds / 60,
        "held_out": len(session.held_out),
        "samples": asked.samples,
        "before": start,
        "after": end,
        "gain": asdict(gain),
        "gain_in_std": ratio(gain.estimate, start["reward_std"]),
        "ratio": ratio(end["reward"]["estimate"], start["reward"]["estimate"]),
        "versions": versions(),
    }
    (asked.output / "learning.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    lines = [Line("reward", [row["step"] for row in rows], smoothed([row["reward"] for row in rows]))]
    if "kl" in rows[-1]:
        lines.append(
            Line("KL per token", [row["step"] for row in rows], smoothed([row["kl"] for row in rows]))
        )
    (asked.output / "curve.svg").write_text(draw(lines), encoding="utf-8")
    print(json.dumps({key: value for key, value in found.items() if key != "versions"}))


if __name__ == "__main__":
    main()
