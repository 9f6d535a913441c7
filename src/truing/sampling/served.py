"""A policy that servers draw from, without its weights in this process: its template here, its tokens there.

    responder = served("runs/mine", Servers(["http://10.0.0.1:8000"]), say)
    responder.answer(["How do I bake bread?"], Sampling())

An adapter is given to every server before it draws. Whole weights are those that the servers were started
with; nothing here can tell whether they are the same model's.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from truing.core.messages import Say, message
from truing.data.chat import make_renderer
from truing.models.contents import contents_of_source
from truing.models.trained import load_spoken
from truing.sampling.http import HttpSampler
from truing.sampling.speaker import Responder
from truing.sampling.weights import ServedWeights


@dataclass(frozen=True)
class Servers:
    """The servers that draw, and the limits of asking them; see `HttpSampler`."""

    urls: Sequence[str] = ()
    listed: Path | None = None
    model: str | None = None
    in_flight: int | None = None
    timeout: float = 600.0
    wait: float = 600.0

    def __bool__(self) -> bool:
        return bool(self.urls) or self.listed is not None


@dataclass(frozen=True)
class ServedResponder(Responder):
    """A policy behind servers."""

    sampler: HttpSampler


def served(source: str, servers: Servers, say: Say) -> ServedResponder:
    """Open a policy that servers draw from. Raises ModelError for a source that no server opens."""
    spoken = load_spoken(source)
    renderer = make_renderer(spoken.tokenizer, spoken.template, ends=spoken.ends)
    weights = None
    if spoken.adapter is None:
        say(message("the servers draw with their own weights, which must be those of {model}", model=source))
    else:
        of = hashlib.sha256(json.dumps(contents_of_source(source), sort_keys=True).encode()).hexdigest()
        weights = ServedWeights(spoken.adapter, 0, adapter=True, name=f"{spoken.adapter.name}-{of[:16]}")
    sampler = HttpSampler(
        servers.urls,
        spoken.tokenizer,
        stop_ids=renderer.stop_ids,
        say=say,
        timeout=servers.timeout,
        model=servers.model,
        listed=servers.listed,
        wait=servers.wait,
        in_flight=servers.in_flight,
        weights=weights,
    )
    return ServedResponder(renderer, sampler)
