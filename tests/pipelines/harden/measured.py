"""Measurements by hand, without a model."""

from collections.abc import Mapping, Sequence

from truing.pipelines.harden.measuring import KNOWN, NUMBERS, ModelMeasured


def measured(values: Mapping[str, Sequence[float | None]], fill: float = 0.0, n: int = 20) -> ModelMeasured:
    """Return values by number, a prompt each; numbers that are not given have `fill` everywhere."""
    own = {name: list(values.get(name, [fill] * n)) for name in NUMBERS}
    return ModelMeasured(
        {name: {(f"p{place}", "plain"): one for place, one in enumerate(some)} for name, some in own.items()},
        {KNOWN: {"complied": n}},
    )
