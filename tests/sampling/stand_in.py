"""A server that speaks vLLM's HTTP as far as the sampler needs it, and fails when a test tells it to."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..serving import Reply, Request, Server, as_json

BASE = "base"
IDENTIFIERS = range(3, 300)  # token ids that stand for text


@dataclass(frozen=True)
class Answer:
    """An answer in place of the proper one."""

    status: int
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


CLOSE = "close"  # end the connection without an answer
HANG = "hang"  # do not answer while the test runs
Fault = Answer | str | None


class StandIn:
    """Serves a model named `base`; its tokens follow from the seed asked for.

    `fault(path, count)` is asked before the count-th request to a path, from 1, and None lets it through;
    `change(choice)` may alter what a completion answers.
    """

    def __init__(
        self,
        *,
        fault: Callable[[str, int], Fault] = lambda path, count: None,
        change: Callable[[dict[str, Any]], Any] = lambda choice: choice,
        processed: bool = True,
        context: int = 64,
        device: str = "cuda",
    ) -> None:
        self.fault = fault
        self.change = change
        self.processed = processed
        self.context = context
        self.device = device
        self.adapters: dict[str, str] = {}
        self.reloaded: list[str] = []
        self.stamp = "default"  # the name of its weights
        self.received: list[tuple[str, Any, str]] = []  # path, body, Authorization
        self._lock = threading.Lock()
        self.server = Server(self._reply)
        self.url, self.port, self.close = self.server.url, self.server.port, self.server.close

    def asked(self, path: str = "/v1/completions") -> list[Any]:
        """The bodies of all requests to a path; None where it came without one, or not whole."""
        return [body for there, body, _ in self.received if there == path]

    def _reply(self, request: Request) -> Reply:
        fault = self.note(request.path, request.body, request.headers.get("authorization", ""))
        if fault == HANG:
            self.server.released.wait()
        if isinstance(fault, str):
            return Reply(closes=True)
        answer = fault or self.answer(request.path, request.body)
        return as_json(answer.body, answer.status, **answer.headers)

    def note(self, path: str, body: Any, key: str) -> Fault:
        with self._lock:
            self.received.append((path, body, key))
            return self.fault(path, len(self.asked(path)))

    def answer(self, path: str, body: Any) -> Answer:
        match path:
            case "/v1/models":
                cards = [{"id": BASE, "parent": None, "max_model_len": self.context}]
                return Answer(200, {"data": cards + [{"id": name, "parent": BASE} for name in self.adapters]})
            case "/v1/completions":
                return self._completion(body)
            case "/v1/load_lora_adapter":
                self.adapters[body["lora_name"]] = body["lora_path"]
                return Answer(200, "Success")
            case "/v1/unload_lora_adapter":
                known = self.adapters.pop(body["lora_name"], None)
                return Answer(200, "Success") if known else _error(404, "The lora adapter cannot be found.")
            case "/server_info?config_format=json":
                return Answer(200, {"vllm_config": {"device_config": {"device": self.device}}})
            case "/collective_rpc":
                self.reloaded.append(body["kwargs"]["weights_path"])
                return Answer(200, {"results": [None]})
            case "/update_weight_version":
                self.stamp = body["new_version"]
                return Answer(200, {"success": True})
            case "/weight_info":
                return Answer(200, {"weight_version": self.stamp})
            case "/reset_prefix_cache":
                return Answer(200, {"success": True})
            case _:
                return Answer(404, {"detail": "Not Found"})

    def _completion(self, body: dict[str, Any]) -> Answer:
        if body["model"] not in {BASE, *self.adapters}:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if body["logprobs"] == 5:  # the four likeliest after the only one that is allowed
            others = dict.fromkeys("abcd", -9999.0 if self.processed else -3.0)
            return Answer(200, {"choices": [{"logprobs": {"top_logprobs": [{"x": 0.0} | others]}}]})
        draw = random.Random(body["seed"])
        tokens = draw.choices(IDENTIFIERS, k=body["max_tokens"])
        stops = [place for place, token in enumerate(tokens) if token in body["stop_token_ids"]]
        tokens = tokens[: stops[0] + 1] if stops else tokens
        choice = {"token_ids": tokens, "finish_reason": "stop" if stops else "length"}
        if body["logprobs"] == 0:
            choice["logprobs"] = {"token_logprobs": [-token / 100 for token in tokens]}
        return Answer(200, {"choices": [self.change(choice)]})


def _error(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"message": message, "code": status}})
