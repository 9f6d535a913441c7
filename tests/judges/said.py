"""Completions with what servers say beside the text: usage, the model's name, log-probabilities."""

from typing import Any

from ..serving import Reply, as_json


def said(text: str, usage: tuple[int, int] | None = (100, 20), **more: Any) -> Reply:
    """A completion with its usage; `more` are further keys, and `logprobs` of the choice."""
    choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": more.pop("logprobs", None)}
    used = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if usage else None
    return as_json({"model": "wise", "choices": [choice], "usage": used, **more})
