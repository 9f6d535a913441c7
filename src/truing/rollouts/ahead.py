"""Responses for the next step, drawn by servers while this step is learnt from.

The responses come from weights that are one step old when they are learnt from, or older where a server has
not taken newer ones. `loss.correction` corrects for that, and `staleness.py` has those that are too old drawn
again. A checkpoint waits for the responses and holds them, so that a resumed run learns from the same ones.
So does a checkpoint that is written because the step that took them failed.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

from truing.core.threads import in_thread
from truing.sampling.types import Finish, Sample


class Ahead:
    """At most one step's responses under way."""

    def __init__(self) -> None:
        self._step = 0
        self._samples: Future[list[Sample]] | None = None

    def begin(self, step: int, draw: Callable[[], list[Sample]]) -> None:
        """Draw the responses for `step` in a thread."""
        self._step, self._samples = step, in_thread(draw)

    def take(self, step: int) -> list[Sample] | None:
        """Wait for the responses for `step`; None where none were begun. Raises the error of `draw`."""
        if self._samples is None or self._step != step:
            return None
        return self._samples.result()

    def state(self) -> dict[str, Any]:
        """Wait for the responses and return them for a checkpoint."""
        if self._samples is None or self._samples.exception() is not None:
            return {}  # they are drawn again
        return {"step": self._step, "samples": [asdict(sample) for sample in self._samples.result()]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        if state:
            since = {"version": state["step"] - 2}  # of samples that an earlier version kept without it
            rows = [since | row | {"finish": Finish(row["finish"])} for row in state["samples"]]
            self._step, self._samples = state["step"], Future()
            self._samples.set_result([Sample(**row) for row in rows])
