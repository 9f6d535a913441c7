"""Open a model that is given in any form."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from truing.api.given import LiveModel
from truing.api.training import Run
from truing.core.errors import ConfigError
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.models.trained import Trained

ModelLike = Any  # a `Run`, a source as text or path, or a loaded transformers or PEFT model


def opened(model: ModelLike, tokenizer: Any = None, *, scores: bool = False) -> "Trained":
    """Open a model that answers or, with `scores`, a reward model.

    A loaded model is used unchanged, with the given `tokenizer`. Raises ModelError for a model of another
    kind, ConfigError for a value that is no model.
    """
    if isinstance(model, Run):
        return model.trained
    from truing.models.trained import Trained, load_trained, load_trained_reward

    if isinstance(model, str | Path):
        return load_trained_reward(str(model)) if scores else load_trained(str(model))
    if not hasattr(model, "state_dict"):
        said = "{kind} is no model: expected a run, a folder, a name, or a loaded model"
        raise ConfigError(message(said, kind=type(model).__name__))
    live = LiveModel(model, tokenizer)
    return Trained(live.model.eval(), live.tokenizer, named(model))


def named(model: ModelLike) -> str:
    """Return the name of a model on a page."""
    if isinstance(model, Run):
        return str(model.path)
    if isinstance(model, str | Path):
        return str(model)
    return getattr(model.config, "_name_or_path", "") or type(model).__name__
