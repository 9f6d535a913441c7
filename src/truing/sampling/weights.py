"""New weights for servers, through a folder that they see under the same path.

An adapter is loaded under a new name at every step, so a server that restarted cannot pass off its own
weights as the newest. Whole models replace the server's own weights in place. vLLM's weight-transfer
engines would save the way over the disk, but all of them move memory from GPU to GPU.
"""

import secrets
import shutil
from pathlib import Path
from typing import Any

import httpx2

from truing.core.errors import ConfigError
from truing.core.files import read_manifest
from truing.models.export import MAKER, export_folder
from truing.sampling.servers import Refused, Server, ServerDown, ask, read_json

_NO_ROUTE = "Not Found"  # what a server says of a path that it does not know


def write_weights(model: Any, tokenizer: Any, folder: Path, step: int) -> Path:
    """Write an adapter, or a model without one, to a new folder in `folder`; return the absolute path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder.absolute() / f"step-{step}-{secrets.token_hex(4)}"
    return export_folder(model, tokenizer, target, merge=False)


def remove_older(newest: Path) -> None:
    """Remove the folders of other steps beside `newest`, written by this process or an earlier one."""
    for path in newest.parent.glob("step-*"):
        manifest = read_manifest(path)
        if path != newest and manifest is not None and manifest["made_by"] == MAKER:
            shutil.rmtree(path, ignore_errors=True)


async def load_adapter(client: httpx2.AsyncClient, server: Server, path: Path) -> None:
    """Make `server` draw from the adapter in `path`, and drop the adapter before it."""
    name, before = f"truing-{path.name}", server.adapter
    try:
        await ask(client, server, "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)})
    except Refused as refused:
        if refused.message == _NO_ROUTE:
            raise ConfigError(
                f"{server.url} cannot load adapters while it runs",
                hint="start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
            ) from refused
        raise ConfigError(
            f"{server.url} does not load the adapter {path}: {refused}",
            hint="the server must see that folder under the same path",
        ) from refused
    server.adapter = name
    if before:
        await _unload(client, server, before)


async def _unload(client: httpx2.AsyncClient, server: Server, name: str) -> None:
    try:
        await ask(client, server, "/v1/unload_lora_adapter", {"lora_name": name})
    except Refused as refused:
        if refused.status != 404:  # a server that restarted has forgotten it
            raise ServerDown(f"it does not unload the adapter {name}: {refused}") from refused


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
