"""A real vLLM server for the tests marked `vllm`.

Needs TRUING_VLLM_PYTHON, the path of a Python that has vllm in it: vLLM pins its own torch, so it lives in
an environment apart.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

PYTHON = os.environ.get("TRUING_VLLM_PYTHON")
NEEDS_VLLM = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        PYTHON is None,
        reason="set TRUING_VLLM_PYTHON to a Python with vllm: a server of 135M parameters is started with it",
    ),
    pytest.mark.timeout(900),
]
OPTIONS = [
    *("--served-model-name", "policy", "--dtype", "float32", "--max-model-len", "512"),
    *("--logprobs-mode", "processed_logprobs", "--generation-config", "vllm"),
    *("--enable-lora", "--max-lora-rank", "16", "--enforce-eager", "--host", "127.0.0.1"),
]
SWITCHES = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
START_SECONDS = 900  # on two cores that do other work too


@contextmanager
def serving(model: Path, log: Path, *more: str) -> Iterator[str]:
    """A vLLM server of a folder, with `more` options, which ends with the block."""
    with killable(model, log, free_port(), *more) as (url, _):
        yield url


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def killable(model: Path, log: Path, port: int, *more: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A vLLM server of a folder on a port, and its process, which leads a group with its engine."""
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", model, *OPTIONS, *more]
    with log.open("wb") as output:
        # In a group of its own, because the engine is a child of the server.
        server = subprocess.Popen(
            [*map(str, command), "--port", str(port)],
            env={**os.environ, **SWITCHES},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.nice(10),
        )
    try:
        _wait_until_healthy(server, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def _wait_until_healthy(server: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            if httpx2.get(f"{url}/health").is_success:
                return
        except httpx2.TransportError:
            time.sleep(1)
    raise TimeoutError(f"no healthy server after {START_SECONDS} s: {log.read_text()[-3000:]}")
