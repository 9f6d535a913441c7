"""Responses for the next step, drawn by servers while this step is learnt from.

They come from weights one step older than those that learn from them, never more: `loss.correction` weighs
that. A checkpoint waits for them and holds them, so that a resumed run learns from the same responses; also
one that is written because the step they were taken for failed.
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
        """Draw for `step` in a thread."""
        self._step, self._samples = step, in_thread(draw)

    def take(self, step: int) -> list[Sample] | None:
        """What was drawn for `step`, waited for; None where nothing was begun. Raises what `draw` did."""
        if self._samples is None or self._step != step:
            return None
        return self._samples.result()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: the responses, waited for."""
        if self._samples is None or self._samples.exception() is not None:
            return {}  # they are drawn again
        return {"step": self._step, "samples": [asdict(sample) for sample in self._samples.result()]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        if state:
            rows = [row | {"finish": Finish(row["finish"])} for row in state["samples"]]
            self._step, self._samples = state["step"], Future()
            self._samples.set_result([Sample(**row) for row in rows])
