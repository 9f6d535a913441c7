"""`truing.sample`: responses of a model to prompts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from truing.api.given import records_of
from truing.api.opening import ModelLike, opened
from truing.api.watching import ProgressOption, display_of
from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Record, user

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
    progress: ProgressOption = "auto",
) -> list[dict[str, Any]]:
    """Sample `k` responses to each prompt, those to one prompt next to each other.

        truing.sample(run, "How do I bake bread?")
        truing.sample("runs/mine", ["One?", "Two?"], k=4, temperature=1.0)

    `model` is a `Run`, a source (a run folder, a model folder, a hub name, wheel:NAME) or a loaded model with
    its `tokenizer`. A prompt is text, a list of turns (`{"role": …, "content": …}`), or a row with a prompt
    in any format that training reads. `temperature` 0 is greedy; `max_new_tokens` is the most tokens of a
    response. The draws depend on the seed and on the prompt's place, not on the other prompts.

    Returns rows: `prompt` (turns), `response` (text), `finish` ("stop" or "length"), `k` from 0.
    `truing.score` and `truing.train` take these rows. Raises DataError for a prompt that cannot be read or
    that the chat template cannot write, and ModelError for a model that cannot be opened.
    """
    asked = _records(_listed(prompts))
    if not asked:
        raise DataError(message("no prompts given"), hint=message("pass a text, or a list of them"))
    trained = opened(model, tokenizer)
    from truing.sampling.replies import reply_rows
    from truing.sampling.speaker import Speaker
    from truing.sampling.types import Sampling

    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    speaker, display = Speaker.of(trained), display_of(progress)
    with display.stage("sampling", len(asked) * k) as line:
        said = speaker.answer(
            asked, sampling, group_size=k, on_progress=lambda done, total: line.update(done)
        )
    return reply_rows(asked, said)


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
