"""Models of this machine that are opened when they are first asked, and closed where memory ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from safetensors import safe_open

from truing.core.errors import MemoryShortError
from truing.core.messages import message
from truing.models.load import pick_device
from truing.models.precision import pick_precision
from truing.models.results import ADAPTER_CONFIG, find_run
from truing.models.sources import require_base, resolve
from truing.sampling.speaker import Speaker, shared_speaker


@dataclass
class Shelf:
    """Models on this machine, held within `most` bytes; those unused for longest are closed for a new one.

    Only one thread may use it, that of a `WorkInTurns`.
    """

    most: float
    _held: dict[str, tuple[Speaker, int]] = field(default_factory=dict)  # with bytes, the newest use last
    _users: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> list[str]:
        """Return the sources of the models in memory."""
        return list(self._held)

    @contextmanager
    def using(self, source: str) -> Iterator[Speaker]:
        """Open a model, or take the one that is held. Raises MemoryShortError where there is no room."""
        found = self._held.pop(source, None)
        if found is None:
            need = bytes_of(source)
            self._make_room(source, need)
            found = shared_speaker(source), need
        self._held[source] = found
        self._users[source] = self._users.get(source, 0) + 1
        try:
            yield found[0]
        finally:
            self._users[source] -= 1

    def _make_room(self, source: str, need: int) -> None:
        for other in [one for one in self._held if not self._users[one]]:
            if self._taken + need <= self.most:
                return
            del self._held[other]
        if self._taken + need > self.most:
            left = max(0.0, self.most - self._taken)
            raise MemoryShortError(
                message(
                    "{model} takes about {need:.1f} GB, and {left:.1f} GB are left for it",
                    model=source,
                    need=need / 1e9,
                    left=left / 1e9,
                ),
                hint=message("give more with --memory, serve it elsewhere, or choose a smaller model"),
            )

    @property
    def _taken(self) -> int:
        return sum(size for _, size in self._held.values())


def bytes_of(source: str) -> int:
    """Return about the bytes of a model in memory: its weights, on a CPU twice, as they are laid out anew."""
    device = pick_device("auto")
    size = pick_precision("auto", device, adapter=True).base.itemsize
    return _numbers(source) * size * (2 if device.type == "cpu" else 1)


def _numbers(source: str) -> int:
    """Count the weights of a source by the headers of its files."""
    run = find_run(source)
    if run is not None and run.step is not None:
        return _numbers(run.recipe["policy"])
    folder = Path(source).expanduser() if run is None else run.result
    if (folder / ADAPTER_CONFIG).is_file():
        return _numbers_in(folder) + _numbers(require_base(folder))
    return _numbers_in(folder if run is not None else resolve(source).path)


def _numbers_in(folder: Path) -> int:
    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - not a dict
            count += sum(map(prod, shapes))
    return count
