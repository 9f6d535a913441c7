"""The ranks of a run, and the way they speak to each other. With one rank every function returns at once.

    with joined("cpu") as here:      once per process, in the verb that trains
    world().gather(value)            one value of every rank, in their order
    world().from_main(make)          the value that rank 0 makes
    world().add_up(parameters)       gradients summed over ranks by one flat all-reduce

All but gradients goes through `gather`. A rank that fails sends its error into the gather that it would have
come to next, so all ranks raise that error, and no rank waits for one that has gone. PyTorch carries both.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from truing.core.errors import DivergedError, TruingError
from truing.core.messages import message
from truing.core.ranks import launched
from truing.core.threads import in_thread

T = TypeVar("T")
PATIENCE = timedelta(days=2)  # others wait this long while rank 0 asks a judge or writes
LAST_WORDS = 20.0  # seconds that a failing rank tries to tell the others


class RankError(TruingError):
    """Another process of the run has failed, or has gone."""

    code = "ranks"


class RanksApartError(DivergedError):
    """Ranks that must hold the same weights hold others."""

    code = "ranks_apart"


class Traffic(NamedTuple):
    """The work of a rank, and what it exchanged with the others."""

    reduced: int  # bytes of gradients given to all-reduces and reduce-scatters
    gathered: int  # bytes of whole weights that all-gathers have put together
    learnt: int  # tokens of passes with a gradient


@dataclass
class World:
    """The ranks of this run as one of them sees them."""

    rank: int = 0
    size: int = 1
    control: Any = None  # a group over gloo, for everything but gradients
    reduced: int = field(default=0, init=False)  # bytes of gradients that were summed, until they are taken
    gathered: int = field(default=0, init=False)  # bytes of weights in shards that were joined, the same
    learnt: int = field(default=0, init=False)  # tokens of this rank's passes with a gradient, the same
    known: Exception | None = field(default=None, init=False)  # the error that all ranks have raised

    @property
    def main(self) -> bool:
        """Tell whether this is rank 0, which alone writes, says and asks."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Tell whether there is one rank."""
        return self.size == 1

    def gather(self, value: T) -> list[T]:
        """Return the value of every rank. Raises the error of a rank that failed, on all of them."""
        return [value] if self.alone else self._exchanged(value, None)

    def from_main(self, make: Callable[[], T]) -> T:
        """Return what `make` returns on rank 0, which alone calls it."""
        return self.gather(make() if self.main else None)[0]  # pyright: ignore[reportReturnType]

    def join(self, values: Tensor) -> Tensor:
        """Return the tensors of all ranks, put together along their first axis."""
        parts = [values] if self.alone else self.gather(values.detach().cpu())
        return values if self.alone else torch.cat(parts).to(values.device)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make an error in the block the error of all ranks. Raises RankError where one of them has gone."""
        try:
            yield
        except Exception as error:
            if not self.alone and _is_of_the_line(error):
                raise _gone(error) from error
            self.fail(error)
            raise

    def fail(self, error: Exception) -> None:
        """Raise an error of this rank on the others too; return where they know it, or are gone."""
        if not self.alone and error is not self.known and not isinstance(error, RankError):
            telling = in_thread(lambda: self._exchanged(None, error))
            with suppress(RankError, TimeoutError):
                telling.result(LAST_WORDS)

    def release(self, error: TruingError) -> None:
        """End the other ranks with an error of rank 0, also where they know it and wait for what follows."""
        if self.main and error is self.known:
            self.known = None
            with suppress(TruingError):
                self.fail(error)

    def _exchanged(self, value: Any, error: Exception | None) -> list[Any]:
        found: list[Any] = [None] * self.size
        told = None if error is None else _portable(error, self.rank)
        try:
            dist.all_gather_object(found, (value, told), group=self.control)
        except RuntimeError as lost:
            raise _gone(lost) from lost
        failed = next((one for _, one in found if one is not None), None)
        if failed is None:
            return [one for one, _ in found]
        with suppress(RuntimeError):  # a rank that ends now could cut off others that still read
            dist.barrier(group=self.control)
        known = failed if error is None else error
        if isinstance(known, TruingError):
            known.told = not self.main
        self.known = known
        raise known

    def taken(self) -> Traffic:
        """Return the bytes and tokens since the last call."""
        found = Traffic(self.reduced, self.gathered, self.learnt)
        self.reduced = self.gathered = self.learnt = 0
        return found

    @torch.no_grad()
    def add_up(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients of parameters over ranks by one flat all-reduce.

        A parameter that has no gradient on any rank is left without one, as one process would leave it.
        """
        held = list(parameters)
        if self.alone or not held:  # all of them may lie in shards
            return
        there = torch.tensor([one.grad is not None for one in held], dtype=torch.float32)
        grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in held]
        flat = torch.cat([*(grad.reshape(-1).float() for grad in grads), there.to(held[0].device)])
        dist.all_reduce(flat)
        self.reduced += flat.numel() * flat.element_size()
        *sums, counts = flat.split([*(one.numel() for one in held), len(held)])
        for one, total, count in zip(held, sums, counts.tolist(), strict=True):
            one.grad = total.view_as(one).to(one.dtype) if count else None


def checksums(parameters: Iterable[nn.Parameter]) -> list[int]:
    """Return a number for each parameter that changes with any of its bits."""
    sums = [one.detach().float().reshape(-1).view(torch.int32).sum(dtype=torch.int64) for one in parameters]
    return torch.stack(sums).tolist() if sums else []


def require_equal(names: Iterable[str], of_ranks: Sequence[Sequence[int]]) -> None:
    """Raise RanksApartError for the first parameter whose checksum is not the same on all ranks."""
    for name, *sums in zip(names, *of_ranks, strict=True):
        if len(set(sums)) > 1:
            raise RanksApartError(
                message("the ranks hold different values of {name}", name=name),
                hint=message("no checkpoint is written; go on from the last one, and check the machines"),
            )


def _is_of_the_line(error: Exception) -> bool:
    """Tell whether an error is that of a connection to another rank; gloo has no class for it."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _gone(error: Exception) -> RankError:
    said = "a process of the run has gone without a word: {reason}"
    return RankError(
        message(said, reason=str(error).splitlines()[0]),
        hint=message("its own output says more; the same command resumes"),
    )


def _portable(error: Exception, rank: int) -> Exception:
    """Return an error as another rank is to raise it; a fault of our own is told in words."""
    if isinstance(error, TruingError):
        return error
    said = message("rank {rank} failed: {error}", rank=rank, error=f"{type(error).__name__}: {error}")
    return RankError(said, hint=message("its own output says more; the same command resumes"))


_here: list[World] = [World()]


def world() -> World:
    """Return the ranks of the run that this process is in; one rank outside of `joined`."""
    return _here[0]


@contextmanager
def apart() -> Iterator[None]:
    """Let every rank do the block by itself, as one process would."""
    before, _here[0] = _here[0], World()
    try:
        yield
    finally:
        _here[0] = before


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the processes that were started with this one, for a run on `device`, as a recipe names it.

    An error in the block is raised on all ranks. Does nothing in a process that was started alone.
    """
    place = launched()
    if place.size == 1:
        yield world()
        return
    cuda = device.startswith(("auto", "cuda")) and torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(place.local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    here = World(place.rank, place.size, dist.new_group(backend="gloo", timeout=PATIENCE))
    before, _here[0] = _here[0], here
    try:
        with here.together():
            yield here
            here.gather(None)
    except TruingError as error:
        here.release(error)
        raise
    finally:
        _here[0] = before
    dist.destroy_process_group()
