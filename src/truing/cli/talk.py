"""`sample` and `chat`: read a model's responses, before and after training."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.columns import Columns
from rich.panel import Panel
from rich.text import Text

from truing.cli.commands import command
from truing.cli.language import here
from truing.cli.show import IMPORTING, console, next_step, say, stage
from truing.cli.streams import print_json
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import joined, message

_Source = Annotated[str, typer.Argument(help="A run folder, a model folder, a hub name or wheel:NAME.")]
MaxNew = Annotated[int, typer.Option(help="Most tokens of a response.")]
ShardFlag = Annotated[
    str | None, typer.Option("--shard", help="Do part I of N of the rows, as I/N; then `truing data merge`.")
]
Temperature = Annotated[float, typer.Option(help="0 is greedy.")]


def sample(
    model: _Source,
    prompts: Annotated[list[str] | None, typer.Option("--prompt", help="A prompt; may be repeated.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file of prompts in any known format.")] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "--out", help="Write JSON lines here instead of the terminal.")
    ] = None,
    k: Annotated[int, typer.Option(help="Responses per prompt.")] = 1,
    max_new_tokens: MaxNew = 256,
    temperature: Temperature = 0.0,
    seed: int = 0,
    shard: ShardFlag = None,
) -> None:
    """Sample responses to prompts."""
    if shard is not None:
        settings = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
        _sample_shard(model, prompts, file, out, k, settings, shard)
        return
    from truing.core.records import Record, user
    from truing.data.convert import write_jsonl
    from truing.data.load import load_records

    asked = [Record(user(_utf8(prompt)), place="--prompt") for prompt in prompts or []]
    if file is not None:
        loaded = load_records([str(file)])
        say(loaded.sources[0].describe())
        asked += [record for record in loaded.records if record.prompt]
    if not asked:
        raise _no_prompts()
    _look_at(model)
    with doing(IMPORTING):
        from truing.models.trained import load_trained
        from truing.sampling.replies import reply_rows, writable
        from truing.sampling.speaker import Speaker
        from truing.sampling.types import Sampling
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    speaker = Speaker.of(load_trained(model))
    asked = writable(speaker, asked, say)
    with stage("sampling", len(asked) * k) as line:
        said = speaker.answer(
            asked, sampling, group_size=k, on_progress=lambda done, total: line.update(done)
        )
    rows = reply_rows(asked, said)
    if out is not None:
        write_jsonl(out, rows)
        say(message("wrote {n} responses to {path}", n=len(rows), path=out))
    else:
        for row in rows:
            print_json(row)
    next_step(command("chat", model), "talk to it")


def _no_prompts() -> UsageError:
    hint = message("--prompt 'Hello' or --file prompts.jsonl")
    return UsageError(message("no prompts given"), hint=hint)


def _sample_shard(
    model: str,
    prompts: list[str] | None,
    file: Path | None,
    out: Path | None,
    k: int,
    settings: dict[str, Any],
    given: str,
) -> None:
    """Sample responses to the prompts of one shard of a file, from where it was stopped."""
    from truing.data.shards import Shard, ShardFile, records_of

    shard = Shard.read(given)
    if file is None or out is None or prompts:
        raise UsageError(message("--shard takes the prompts of --file and writes to --output"))
    asked, total, sources = records_of([str(file)], shard, lambda record: bool(record.prompt))
    say(sources[0].describe())
    if not total:
        raise _no_prompts()
    _look_at(model)
    with doing(IMPORTING):
        from truing.models.contents import contents_of_source
        from truing.models.trained import load_trained
        from truing.sampling.replies import answer_shard
        from truing.sampling.speaker import Speaker
        from truing.sampling.types import Sampling
    sampling = Sampling(**settings)
    request = {"verb": "sample", "rows": sources[0].sha256, "k": k, **settings}
    request["model"] = contents_of_source(model)
    with ShardFile(shard, out, total, request) as part, stage("sampling", len(part), done=part.done) as line:
        if part.done < len(part):
            speaker = Speaker.of(load_trained(model))
            answer_shard(part, speaker, asked, sampling, group_size=k, say=say, on_progress=line.update)
    say(message("wrote {n} responses to {path}", n=part.rows, path=part.path))
    asked_next = command("data merge", shard.pattern(out), output=out)
    next_step(asked_next, "put the shards together, once all are done")


def _look_at(*sources: str) -> None:
    """Refuse models that do not exist before the long imports."""
    from truing.models.sources import require_openable

    with doing(message("looking at {model}", model=joined(" and ", sources))):
        for source in sources:
            require_openable(source)


def _utf8(text: str) -> str:
    """Return `text` unchanged. Raise for bytes that are not UTF-8: no tokenizer takes Python's surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        said = message("{text} is not UTF-8 text", text=ascii(text))
        raise UsageError(said, hint=message("save or type it as UTF-8")) from error
    return text


def _ask() -> str:
    """Read the next line of the person; empty at the end of the input."""
    try:
        return _utf8(input(here("you> "))).strip()
    except EOFError:
        return ""
    except UnicodeDecodeError as error:
        said = message("the input is not UTF-8 text: {error}", error=error)
        raise UsageError(said, hint=message("save or type it as UTF-8")) from error


def chat(
    model: _Source,
    against: Annotated[
        str | None, typer.Option(help="A second model, shown to the left of the first.")
    ] = None,
    max_new_tokens: MaxNew = 256,
    temperature: Temperature = 0.0,
) -> None:
    """Talk to a model, or to two side by side; an empty line or Ctrl-D ends."""
    from truing.cli.tokens import visible

    sources = [model] if against is None else [against, model]
    _look_at(*sources)
    with doing(IMPORTING):
        from truing.core.records import Message
        from truing.models.trained import load_trained
        from truing.sampling.speaker import Speaker
        from truing.sampling.types import Sampling
    speakers = [Speaker.of(load_trained(source)) for source in sources]
    histories: list[list[Message]] = [[] for _ in sources]
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature)
    say(message("an empty line or Ctrl-D ends"))
    while text := _ask():
        panels = []
        for source, speaker, history in zip(sources, speakers, histories, strict=True):
            history.append(Message("user", text))
            (said,) = speaker.answer([history], sampling)
            history.append(Message("assistant", said.text))
            width = console.width // len(sources)
            panels.append(Panel(Text(visible(said.text)), title=Text(source), width=width))
        console.print(Columns(panels, padding=(0, 0)))
    next_step(command("init"), "train one of your own")
