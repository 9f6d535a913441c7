"""`truing.sample`: responses of a model to prompts."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truing.api.given import records_of
from truing.api.opening import ModelLike, named, opened
from truing.api.training import Run
from truing.api.watching import ProgressOption, display_of
from truing.core.errors import ConfigError, DataError
from truing.core.messages import Say, message
from truing.core.records import Record, user

if TYPE_CHECKING:
    from truing.sampling.speaker import Responder

PromptLike = str | Mapping[str, Any] | Sequence[Mapping[str, str]]


def sample(
    model: ModelLike,
    prompts: PromptLike | Iterable[PromptLike],
    *,
    tokenizer: Any = None,
    k: int = 1,
    max_new_tokens: int = 256,
    temperature: float = 0.0,
    seed: int = 0,
    servers: Sequence[str] = (),
    progress: ProgressOption = "auto",
) -> list[dict[str, Any]]:
    """Sample `k` responses to each prompt, those to one prompt next to each other.

        truing.sample(run, "How do I bake bread?")
        truing.sample("runs/mine", ["One?", "Two?"], k=4, temperature=1.0)

    `model` is a `Run`, a source (a run folder, a model folder, a hub name, wheel:NAME) or a loaded model with
    its `tokenizer`. A prompt is text, a list of turns (`{"role": …, "content": …}`), or a row with a prompt
    in any format that training reads. `temperature` 0 is greedy; `max_new_tokens` is the most tokens of a
    response. The draws depend on the seed and on the prompt's place, not on the other prompts. `servers` are
    addresses of vLLM servers that draw instead; `model` is then a `Run` or a source. See docs/scale.md.

    Returns rows: `prompt` (turns), `response` (text), `finish` ("stop" or "length"), `k` from 0.
    `truing.score` and `truing.train` take these rows. Raises DataError for a prompt that cannot be read or
    that the chat template cannot write, and ModelError for a model that cannot be opened.
    """
    asked = _records(_listed(prompts))
    if not asked:
        raise DataError(message("no prompts given"), hint=message("pass a text, or a list of them"))
    display = display_of(progress)
    responder = _responder(model, tokenizer, servers, display.say)
    from truing.sampling.replies import reply_rows
    from truing.sampling.types import Sampling

    settings = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    sampling = Sampling(logprobs=not servers, **settings)
    with display.stage("sampling", len(asked) * k) as line:
        said = responder.answer(
            asked, sampling, group_size=k, on_progress=lambda done, total: line.update(done)
        )
    return reply_rows(asked, said)


def _responder(model: ModelLike, tokenizer: Any, servers: Sequence[str], say: Say) -> "Responder":
    """Open the model here, or its tokenizer alone where servers draw."""
    if not servers:
        trained = opened(model, tokenizer)
        from truing.sampling.speaker import Speaker

        return Speaker.of(trained)
    if not isinstance(model, Run | str | Path):
        raise ConfigError(
            message("servers draw from a run or a source, and a loaded model is given"),
            hint=message("save it to a folder, and have the servers serve that"),
        )
    from truing.sampling.served import Servers, served

    return served(named(model), Servers(tuple(servers)), say)


def _listed(prompts: Any) -> list[Any]:
    """Return prompts one by one: a text, a row and a list of turns are one prompt."""
    if isinstance(prompts, str | Mapping):
        return [prompts]
    listed = list(prompts)
    if listed and all(isinstance(one, Mapping) and {"role", "content"} <= one.keys() for one in listed):
        return [listed]
    return listed


def _records(prompts: Sequence[PromptLike]) -> list[Record]:
    """Return prompts as records; rows and turns are read as in a file."""
    if all(isinstance(one, str) for one in prompts):
        return [Record(user(str(one)), place=f"prompt {i + 1}") for i, one in enumerate(prompts)]
    rows = [one if isinstance(one, Mapping) else {"prompt": one} for one in prompts]
    return [record for record in records_of(rows, "prompts") if record.prompt]
