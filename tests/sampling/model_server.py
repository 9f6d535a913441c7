"""A completions server with a real model, in a process of its own that a test may kill.

Speaks vLLM's dialect as `stand_in.py` does, and draws with the local sampler, so that its log-probabilities
are those of the weights it was given.

with ModelServer(model_folder, dies_after=20) as server:     # by SIGKILL, in the middle of the 21st request
    server.url
"""

import copy
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from truing.sampling.local import LocalSampler
from truing.sampling.types import Finish, Sampling

from ..serving import Reply, Request, Server, as_json

BASE = "base"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class _Model:
    """The model behind a server, with the adapters that it was given."""

    def __init__(self, folder: Path, *, dies_after: int | None, holds: bool, pause: float) -> None:
        self.folder, self.dies_after, self.holds, self.pause = folder, dies_after, holds, pause
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.served: dict[str, Any] = {BASE: base}
        self.sampler: LocalSampler | None = None  # of the adapter that was asked for last
        self.drawn = 0
        self.lock = threading.Lock()

    def answer(self, request: Request) -> Reply:
        if request.path == "/health":
            return as_json({})
        if request.path == "/v1/models":
            names = list(self.served)
            cards = [{"id": name, "parent": None if name == BASE else BASE} for name in names]
            return as_json({"data": cards})
        with self.lock:  # one response at a time
            match request.path:
                case "/v1/load_lora_adapter":
                    self.load(request.body["lora_name"], request.body["lora_path"])
                    return as_json("Success")
                case "/v1/unload_lora_adapter":
                    self.served.pop(request.body["lora_name"], None)
                    return as_json("Success")
                case "/v1/completions":
                    return self.complete(request.body)
                case _:
                    return as_json({"detail": "Not Found"}, 404)

    def load(self, name: str, path: str) -> None:
        """Take an adapter; a server that holds on to the first goes on with it under the new name."""
        first = next((model for known, model in self.served.items() if known != BASE), None)
        if self.holds and first is not None:
            self.served[name] = first
            return
        self.served[name] = PeftModel.from_pretrained(copy.deepcopy(self.served[BASE]), path).eval()

    def complete(self, body: dict[str, Any]) -> Reply:
        if body["model"] not in self.served:
            return as_json({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
        if self.dies_after is not None and self.drawn >= self.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.drawn += 1
        time.sleep(self.pause)
        model, stop_ids = self.served[body["model"]], frozenset(body["stop_token_ids"])
        if self.sampler is None or self.sampler.model is not model:
            self.sampler = LocalSampler(model, self.tokenizer, stop_ids=stop_ids)
        how = Sampling(max_new_tokens=body["max_tokens"], temperature=body["temperature"], seed=body["seed"])
        [sample] = self.sampler.sample([body["prompt"]], how)
        choice = {
            "token_ids": sample.tokens,
            "logprobs": {"token_logprobs": sample.logprobs},
            "finish_reason": "length" if sample.finish is Finish.LENGTH else "stop",
        }
        return as_json({"choices": [choice]})


class ModelServer:
    """Serves the model of a folder from a fork of this process, until it is closed or dies.

    `dies_after` is the number of responses after which the process kills itself. A server that `holds` says
    that it has taken new adapters, and goes on with the first. `pause` delays a response, in seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dies_after: int | None = None,
        holds: bool = False,
        pause: float = 0.0,
        port: int | None = None,
    ) -> None:
        self.port = port or _free_port()
        ready, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                torch.set_num_threads(1)
                model = _Model(folder, dies_after=dies_after, holds=holds, pause=pause)
                Server(model.answer, port=self.port)
                os.write(tell, b"1")
                threading.Event().wait()
            finally:
                os._exit(1)
        os.close(tell)
        assert os.read(ready, 1) == b"1", "the server did not start"
        os.close(ready)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dead(self) -> bool:
        """Tell whether the process has ended by itself, and reap it."""
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
        return not self.pid

    def close(self) -> None:
        if not self.dead:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
