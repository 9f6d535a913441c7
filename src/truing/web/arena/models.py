"""The models of an arena: those of this machine, and those behind an address, by their names."""

from collections.abc import Sequence
from typing import Any

from truing.config.fields import NonEmpty
from truing.config.work import RoleSpec
from truing.core.errors import UsageError
from truing.core.memory import room_bytes
from truing.core.messages import message
from truing.judges.endpoint import Endpoint
from truing.sampling.roles import role_of, role_options
from truing.sampling.shelf import Shelf
from truing.sampling.streamed import ServedStreamer
from truing.sampling.streaming import LocalStreamer, Streamer
from truing.sampling.turns import WorkInTurns

SHARE = 0.7  # of the memory that this process may take, where nobody says how much


def local(shelf: Shelf, turns: WorkInTurns, *, path: NonEmpty) -> Streamer:
    """Return a model on this machine."""
    return LocalStreamer(path, shelf, turns)


def server(_shelf: Shelf, _turns: WorkInTurns, *, model: NonEmpty, **options: Any) -> Streamer:
    """Return a model behind an OpenAI-compatible address; `options` are those of `Endpoint`."""
    return ServedStreamer(Endpoint(model=model, **options))


STREAMERS = {"local": local, "server": server}


def open_models(specs: Sequence[RoleSpec], most: float | None = None) -> dict[str, Streamer]:
    """Return the models of `specs` by their names; their weights are read when they are first asked.

    Those of this machine share `most` bytes, by default most of the memory that is free. Raises ConfigError
    for a wrong option, and UsageError for a name that stands twice.
    """
    shelf, turns = Shelf(SHARE * room_bytes() if most is None else most), WorkInTurns()
    found: dict[str, Streamer] = {}
    for spec in specs:
        options = role_options(spec)
        name = str(options.get("path") or options.get("model"))
        if name in found:
            raise UsageError(
                message("{name} is given twice", name=name),
                hint=message("an arena compares models with names that differ"),
            )
        found[name] = role_of(spec, STREAMERS)(shelf, turns)
    return found
