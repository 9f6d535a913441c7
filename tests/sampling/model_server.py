"""A completions server with a real model, in a process of its own that a test may kill.

Speaks vLLM's dialect as `stand_in.py` does, and draws with the local sampler, so that its log-probabilities
are those of the weights it was given.

with ModelServer(model_folder, dies_after=20) as server:     # by SIGKILL, in the middle of the 21st request
    server.url
"""

import copy
import os
import signal
import threading
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


class _Model:
    """The model behind a server, with the adapters that it was given."""

    def __init__(self, folder: Path, *, dies_after: int | None, holds: int | None) -> None:
        self.dies_after, self.holds = dies_after, holds
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.served: dict[str, Any] = {BASE: base}
        self.sampler: LocalSampler | None = None  # of the adapter that was asked for last
        self.newest: Any = None
        self.taken = self.drawn = 0
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
                case "/server_info?config_format=json":
                    return as_json({"vllm_config": {"device_config": {"device": "cuda"}}})
                case "/collective_rpc":
                    self.reload(request.body["kwargs"]["weights_path"])
                    return as_json({})
                case "/reset_prefix_cache":
                    return as_json({"success": True})
                case "/v1/completions":
                    return self.complete(request.body)
                case _:
                    return as_json({"detail": "Not Found"}, 404)

    def load(self, name: str, path: str) -> None:
        """Take an adapter; a server that holds its adapter goes on with it under the new name."""
        if self.taken != self.holds:
            self.newest = PeftModel.from_pretrained(copy.deepcopy(self.served[BASE]), path).eval()
            self.taken += 1
        self.served[name] = self.newest

    def reload(self, path: str) -> None:
        """Take whole weights in place of its own."""
        self.served = {BASE: AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()}

    def complete(self, body: dict[str, Any]) -> Reply:
        if body["model"] not in self.served:
            return as_json({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
        if self.dies_after is not None and self.drawn >= self.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.drawn += 1
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

    `dies_after` is the number of responses after which the process kills itself, `holds` that of adapters
    after which it says that it has taken others and goes on with the last.
    """

    def __init__(self, folder: Path, *, dies_after: int | None = None, holds: int | None = None) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                torch.set_num_threads(1)
                server = Server(_Model(folder, dies_after=dies_after, holds=holds).answer)
                os.write(write, str(server.port).encode())
                threading.Event().wait()
            finally:
                os._exit(1)
        os.close(write)
        port = os.read(read, 16).decode()
        os.close(read)
        assert port, "the server did not start"
        self.url = f"http://127.0.0.1:{port}"

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
