"""Several roles on one backbone: each has an adapter beside the policy's, and a head of its own.

    policy     the adapter `default`, and the model's own head
    critic     an adapter and a value head: `models.critic`
    reward …   an adapter and a score head, frozen: `RewardRole`
    reference  no adapter

So PPO's four models need little more memory than one. A role reads the backbone through `playing`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from safetensors.torch import load_file
from torch import Tensor, nn

from truing.config.run_folder import run_recipe
from truing.core.errors import ModelError
from truing.data.packing import PackedBatch
from truing.models.adapters import require_filled
from truing.models.contents import contents_of
from truing.models.results import ADAPTER
from truing.models.reward import last_tokens
from truing.models.scoring import Trunk
from truing.models.sealed import require_whole
from truing.models.sources import AGAIN, resolve

CRITIC = "critic"
_HEAD = "base_model.model.score.weight"  # PEFT's name for the score head it saves with an adapter


@contextmanager
def playing(model: PeftModel, role: str | None) -> Iterator[None]:
    """Make the adapter of `role` active in the block; with None, no adapter is.

    The layers are switched themselves: `PeftModel.set_adapter` freezes every adapter that is not active, and
    walks over all modules four times for it.
    """
    assert role is None or role in model.peft_config
    layers = [one for one in model.modules() if isinstance(one, BaseTunerLayer | AuxiliaryTrainingWrapper)]
    before = [(layer._active_adapter, layer._disable_adapters) for layer in layers]
    try:
        for layer in layers:
            if role is None:
                layer._disable_adapters = True
            else:
                layer._active_adapter = [role]
        yield
    finally:
        for layer, (active, disabled) in zip(layers, before, strict=True):
            layer._active_adapter, layer._disable_adapters = active, disabled


@contextmanager
def _trained_as_before(model: nn.Module) -> Iterator[None]:
    trains = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for parameter, flag in trains:
            parameter.requires_grad = flag


@dataclass(frozen=True)
class StoredRole:
    """An adapter with a head, as a reward run writes it."""

    config: LoraConfig
    weights: Mapping[str, Tensor]
    head: Tensor  # [1, D]


def role_on(source: Path, run: Path) -> StoredRole | None:
    """Return the adapter of a reward run if its base is the weights in `source`, else None.

    That is so if the run began from that folder and no file of weights there has changed since. Raises
    StorageError for an adapter that does not match its manifest.
    """
    recipe, folder = run_recipe(run), run / ADAPTER
    if recipe is None or not folder.is_dir() or resolve(recipe["policy"]).path.resolve() != source.resolve():
        return None
    known = recipe.get("models", {}).get("policy")
    written = (folder / "adapter_model.safetensors").stat().st_mtime  # all that earlier versions tell
    changed = any(weights.stat().st_mtime > written for weights in source.glob("*.safetensors"))
    if changed if known is None else known["weights"] != contents_of(source)["weights"]:
        return None
    require_whole(folder, AGAIN)
    return read_role(folder)


def read_role(folder: Path) -> StoredRole:
    """Read the adapter of a reward run. Raises ModelError for an adapter without a head."""
    weights = load_file(folder / "adapter_model.safetensors")
    head = weights.pop(_HEAD, None)
    if head is None:
        raise ModelError(f"{folder} holds an adapter without a score head", hint="name a reward run")
    config = LoraConfig.from_pretrained(str(folder))
    assert isinstance(config, LoraConfig)
    return StoredRole(config, weights, head.float())


def add_role(
    model: PeftModel,
    role: str,
    config: LoraConfig,
    *,
    trained: torch.dtype,
    trains: bool,
    seed: int = 0,
    weights: Mapping[str, Tensor] | None = None,
) -> dict[str, nn.Parameter]:
    """Put another adapter beside the active one and return its parameters by name.

    The adapter starts with `weights` if given, else with a draw from `seed`. Raises ModelError for weights
    that do not fit.
    """
    known = {name for name, _ in model.named_parameters()}
    config = replace(
        config, task_type=model.peft_config["default"].task_type, modules_to_save=None, exclude_modules=None
    )
    with _trained_as_before(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        model.add_adapter(role, config)
        if weights is not None:
            found = set_peft_model_state_dict(model, dict(weights), adapter_name=role)
            unfilled = [name for name in found.missing_keys if f".{role}." in name]
            require_filled(f"the adapter of {role}", unfilled, found.unexpected_keys)
    added = {name: parameter for name, parameter in model.named_parameters() if name not in known}
    for parameter in added.values():
        parameter.data = parameter.data.to(trained)
        parameter.requires_grad = trains
    return added


def linear(weight: Tensor) -> nn.Linear:
    """Make a head of one number without bias, in float32."""
    head = nn.Linear(weight.shape[1], 1, bias=False, device=weight.device, dtype=torch.float32)
    head.weight.data.copy_(weight)
    return head


class RewardRole(Trunk):
    """A scorer of branches like `RewardScorer`, through an adapter of the policy's backbone."""

    def __init__(self, host: Trunk, role: str, head: nn.Linear, pad_id: int | None) -> None:
        super().__init__(host.model, layout=host.layout, autocast=host.autocast)
        self.room = host.room
        self.role, self.head, self.pad_id = role, head.requires_grad_(False), pad_id

    @torch.no_grad()
    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the score of every branch, [B] f32."""
        assert isinstance(self.model, PeftModel)
        last = last_tokens(batch, self.pad_id)
        with playing(self.model, self.role):
            states = self._states(replace(batch, source=last))
        return self.head(states.float())[:, 0]
