"""Activation checkpointing: a layer keeps its input alone and runs again in backward, as it ran before.

Backward comes after the contexts of forward have ended: by then the model has its own attention again, and
another role's adapter may be active. A layer run again in that state would give other numbers, so the state
of its forward is put back around it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple

from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel

from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.models.load import quiet


class _LayerState(NamedTuple):
    """The state that a layer reads beside its arguments."""

    attention: str | None
    adapters: (
        tuple[str | list[str], bool] | None
    )  # the active ones and whether they are off, alike in all layers


def recompute_layers(model: PreTrainedModel) -> None:
    """Make every layer of a model run twice and keep its input alone; adapters may be added afterwards.

    Raises ConfigError for a family whose layers cannot.
    """
    if not model.supports_gradient_checkpointing:
        raise ConfigError(
            message("activation_checkpointing: {model} has no such layers", model=type(model).__name__),
            hint=message("leave it out, and lower data.max_tokens or tokens_per_pass where memory is short"),
        )
    how = {"use_reentrant": False, "context_fn": partial(_contexts, model)}
    with quiet():
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)
    # Only layers run again by autograd's older way need it; frozen layers below would be differentiated too.
    model.disable_input_require_grads()


def _contexts(model: PreTrainedModel) -> tuple[AbstractContextManager, AbstractContextManager]:
    """Return the contexts of a layer's forward and of its second run."""
    return nullcontext(), _as_it_was(model, _state_of(model))


def _adapted(model: PreTrainedModel) -> Iterator[BaseTunerLayer]:
    return (module for module in model.modules() if isinstance(module, BaseTunerLayer))


def _state_of(model: PreTrainedModel) -> _LayerState:
    layer = next(_adapted(model), None)
    adapters = None if layer is None else (layer._active_adapter, layer._disable_adapters)
    return _LayerState(model.config.get_text_config()._attn_implementation, adapters)


@contextmanager
def _as_it_was(model: PreTrainedModel, state: _LayerState) -> Iterator[None]:
    """Put a state back in the block. Flags of training stay, unlike with PEFT's own switches."""
    before = _state_of(model)
    _put(model, before, state)
    try:
        yield
    finally:
        _put(model, state, before)


def _put(model: PreTrainedModel, present: _LayerState, state: _LayerState) -> None:
    model.config.get_text_config()._attn_implementation = state.attention
    if state.adapters is None or state.adapters == present.adapters:
        return
    for layer in _adapted(model):
        layer._active_adapter, layer._disable_adapters = state.adapters
