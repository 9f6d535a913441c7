"""Fixtures of pages: folders of runs as `truing train` leaves them."""

from pathlib import Path

import pytest

from truing.config.recipe import Recipe
from truing.config.run_folder import REWARD, ROWS, RunFolder, RunState

from .runs import ASKED


@pytest.fixture
def run_folder(tmp_path: Path):
    """Writes a run folder as a run would; three steps, of which the second and third were evaluated."""

    def make(
        state: RunState = RunState.DONE, reason: str = "", *, method: str = "reward", steps: int = 3, **facts
    ) -> Path:
        path = tmp_path / "my-run"
        recipe = Recipe(method=method, output=str(path), **ASKED).model_dump(mode="json")  # pyright: ignore
        resolved = {"loss": "bradley_terry", "hyper": {"center": 0.0}, "learning_rate": 1e-5}
        with RunFolder.open(path) as folder:
            folder.write_config(recipe | {"inputs": {"pairs.jsonl": "ab12"}, "resolved": resolved})
            for step in range(1, steps + 1):
                row = {"loss": 0.7 - 0.1 * step, "accuracy": 0.25 * step, "seconds": 20.0}
                if step > 1:
                    row |= {"eval/loss": 0.9 / step, "eval/ece": 0.1 / step}
                folder.log_metrics(step, row)
            folder.write_status(state, step=steps, reason=reason, last_checkpoint="step-000002")
            for name, content in facts.items():
                folder.write_facts({"rows": ROWS, "reward": REWARD}[name], content)
        return path

    return make
