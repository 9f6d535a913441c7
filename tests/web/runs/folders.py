"""Folders as `truing train`, `truing eval` and other trainers leave them, for the tests of their pages."""

import json
import math
from pathlib import Path
from typing import Any

from truing.config.recipe import Recipe
from truing.config.run_folder import HEALTH, RunFolder, RunState
from truing.core.files import append_jsonl, json_line


def make_run(
    path: Path,
    *,
    steps: int = 60,
    state: RunState = RunState.DONE,
    method: str = "dpo",
    policy: str = "org/model",
    reason: str = "",
    **more: Any,
) -> Path:
    """Write the folder of a run; `more` are metrics beside the usual ones, as functions of a step."""
    recipe = Recipe(method=method, policy=policy, data={"train": "rows.jsonl"}, output=str(path))  # pyright: ignore
    with RunFolder.open(path) as folder:
        folder.write_config(recipe.model_dump(mode="json"))
        rows = (
            {
                "step": step,
                "loss": 0.7 * math.exp(-step / steps) + 0.02 * math.sin(step),
                "rewards/accuracies": step / steps,
                "grad_norm": 1 + (50 if step == 37 else 0),
                "tokens_per_second": 900.0,
                **{name: value(step) for name, value in more.items()},
            }
            for step in range(1, steps + 1)
        )
        (path / "metrics.jsonl").write_bytes(b"".join(map(json_line, rows)))
        folder.write_status(state, step=steps, reason=reason, last_checkpoint=f"step-{steps:06d}")
    return path


def add_alarm(path: Path, step: int = 20, **changes: Any) -> None:
    """Add a finding of a health rule to a run."""
    finding = {
        "rule": "label_noise",
        "step": step,
        "since": step - 5,
        "saw": "half the pairs",
        "advice": "look",
    }
    append_jsonl(path / HEALTH, {**finding, "action": "warn", "back_to": None, "told": [], **changes})


def add_samples(path: Path, texts: dict[int, str], prompt: str = "Say something.") -> None:
    """Add a sample of each step to a run."""
    for step, text in texts.items():
        row = {
            "step": step,
            "place": "rows:1",
            "prompt": prompt,
            "k": 0,
            "response": text,
            "reward": step / 10,
        }
        append_jsonl(path / "samples.jsonl", row)


def add_evaluation(
    path: Path, model: str, *, title: str = "Harmful prompts refused", **numbers: float
) -> Path:
    """Write the results of an evaluation of `model` against the model that it began as."""
    path.mkdir(parents=True, exist_ok=True)

    def side(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 50, "missing": 0}

    found = {
        name: {"title": title, "unit": "%", "model": side(value), "against": side(value / 2)}
        for name, value in (numbers or {"harmlessness": 0.9}).items()
    }
    (path / "results.json").write_text(json.dumps({"model": model, "against": "org/model", "numbers": found}))
    return path
