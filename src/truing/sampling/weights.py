"""New weights for servers, through a folder that they see under the same path.

An adapter is loaded under a new name at every step, so a server that restarted cannot pass off its own
weights as the newest. Whole models replace the server's own weights in place. vLLM's weight-transfer
engines would save the way over the disk, but all of them move memory from GPU to GPU.
"""

import secrets
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from truing.core.errors import ConfigError
from truing.core.files import read_manifest
from truing.core.messages import message
from truing.models.export import MAKER, export_folder
from truing.sampling.servers import Refused, Server, ServerDown, ask, read_json

_NO_ROUTE = "Not Found"  # what a server says of a path that it does not know
_PREFIX = "truing-"  # of the names of our adapters on a server
_LOADED = "already been loaded"  # what vLLM says of the name of an adapter that it has


@dataclass(frozen=True)
class ServedWeights:
    """The weights of one step, in a folder that the servers see under the same path."""

    path: Path
    step: int
    adapter: bool  # an adapter beside the server's own weights; else whole weights in their place
    tied: bool = False  # the output head of the whole model is its embedding
    name: str = ""  # of these weights and no others; the name of the folder where none is given

    @property
    def known_as(self) -> str:
        """Return the name by which servers know the weights."""
        return self.name or self.path.name


async def give(client: httpx2.AsyncClient, server: Server, weights: ServedWeights) -> None:
    """Make `server` draw from `weights`. Raises ServerDown, and ConfigError where it cannot take them."""
    if weights.adapter:
        await load_adapter(client, server, weights)
    else:
        await load_whole(client, server, weights.path, tied=weights.tied)
        server.version, server.stamp = weights.step, await _stamped(client, server, weights.known_as)


def folder_of(adapter: str) -> str:
    """Return the name of the folder that an adapter on a server was loaded from."""
    return adapter.removeprefix(_PREFIX)


def write_weights(model: Any, tokenizer: Any, folder: Path, step: int) -> Path:
    """Write an adapter, or a model without one, to a new folder in `folder`; return the absolute path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder.absolute() / f"step-{step}-{secrets.token_hex(4)}"
    return export_folder(model, tokenizer, target, merge=False)


def remove_older(newest: Path, keep: Collection[str] = ()) -> None:
    """Remove the folders of other steps beside `newest`, except `keep`; those of earlier processes too."""
    for path in newest.parent.glob("step-*"):
        manifest = read_manifest(path)
        if path != newest and path.name not in keep and manifest is not None and manifest["made_by"] == MAKER:
            shutil.rmtree(path, ignore_errors=True)


async def load_adapter(client: httpx2.AsyncClient, server: Server, weights: ServedWeights) -> None:
    """Make `server` draw from an adapter, and drop the adapter before it."""
    path, name, before = weights.path, _PREFIX + weights.known_as, server.adapter
    try:
        await ask(client, server, "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)})
    except Refused as refused:
        if refused.message == _NO_ROUTE:
            raise ConfigError(
                f"{server.url} cannot load adapters while it runs",
                hint="start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
            ) from refused
        if _LOADED not in refused.message:  # by an earlier request, whose answer was lost
            raise ConfigError(
                f"{server.url} does not load the adapter {path}: {refused}",
                hint="the server must see that folder under the same path",
            ) from refused
    server.adapter, server.version = name, weights.step
    if before not in ("", name):
        await _unload(client, server, before)


async def _unload(client: httpx2.AsyncClient, server: Server, name: str) -> None:
    try:
        await ask(client, server, "/v1/unload_lora_adapter", {"lora_name": name})
    except Refused as refused:
        if refused.status != 404:  # a server that restarted has forgotten it
            raise ServerDown(f"it does not unload the adapter {name}: {refused}") from refused


async def _stamped(client: httpx2.AsyncClient, server: Server, name: str) -> str:
    """Have a server note the name of its weights; return the name, "" where it cannot note one.

    A server that was started anew has another name, and is not mistaken for one with the newest weights.
    """
    try:
        await ask(client, server, "/update_weight_version", {"new_version": name})
    except Refused as refused:
        if refused.message == _NO_ROUTE:
            return ""
        said = "it does not note the name of its weights: {reason}"
        raise ServerDown(message(said, reason=refused)) from refused
    return name


async def load_whole(client: httpx2.AsyncClient, server: Server, path: Path, *, tied: bool) -> None:
    """Replace the weights of `server` by the model in `path`; drop all it has computed with the old weights.

    `tied` says that the model's output head is its embedding. On a CPU vLLM 0.32 packs the head once, when it
    starts, and would go on with the old one.
    """
    try:
        info = read_json(server, await ask(client, server, "/server_info?config_format=json"))
        if tied and info["vllm_config"]["device_config"]["device"] == "cpu":
            raise ConfigError(
                f"{server.url} runs on a CPU, where vLLM keeps the old output head of a model that ties it",
                hint="train with `lora:`, or leave sampling.servers out",
            )
        body = {"method": "reload_weights", "kwargs": {"weights_path": str(path)}}
        await ask(client, server, "/collective_rpc", body)
        reset = await ask(client, server, "/reset_prefix_cache", {})
    except Refused as refused:
        raise ConfigError(
            f"{server.url} cannot take whole models while it runs: {refused}",
            hint="start vLLM with VLLM_SERVER_DEV_MODE=1, train with `lora:`, or leave sampling.servers out",
        ) from refused
    if not read_json(server, reset).get("success"):
        raise ServerDown("it did not empty its prefix cache after the new weights")
    server.adapter = ""
