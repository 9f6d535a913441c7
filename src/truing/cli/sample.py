"""`sample`: responses of a model to prompts, on this machine or on servers, in any number."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from truing.cli.commands import command
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.streams import print_json
from truing.cli.talk import MaxNew, SourceArgument, Temperature, look_at, utf8
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message
from truing.core.ranks import launched

if TYPE_CHECKING:
    from truing.core.records import Record

ShardFlag = Annotated[
    str | None, typer.Option("--shard", help="Do part I of N of the rows, as I/N; then `truing data merge`.")
]


def sample(
    model: SourceArgument,
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
    server: Annotated[
        list[str] | None, typer.Option(help="A vLLM server that draws instead; may be repeated.")
    ] = None,
    servers_file: Annotated[
        Path | None, typer.Option(help="A file of servers, one a line, which may change at any time.")
    ] = None,
    served_model: Annotated[
        str | None, typer.Option(help="The name the servers serve the model under, if they serve several.")
    ] = None,
    in_flight: Annotated[
        int | None, typer.Option(min=1, help="Most requests that a server has at once, instead of 128.")
    ] = None,
    wait: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait while no server can be used, instead of 600.")
    ] = None,
) -> None:
    """Sample responses to prompts. With --file and --output the same command goes on where it was stopped."""
    from truing.core.records import Record, user

    settings = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    limits = {"model": served_model, "in_flight": in_flight, "wait": wait}
    limits = {name: value for name, value in limits.items() if value is not None}
    if limits and not (server or servers_file):
        raise UsageError(message("--served-model, --in-flight and --wait need --server or --servers-file"))
    servers = {"urls": tuple(server or ()), "listed": servers_file, **limits}
    asked = [Record(user(utf8(prompt)), place="--prompt") for prompt in prompts or []]
    if file is not None and out is not None and not asked:
        _sample_file(model, file, out, k, settings, shard, servers)
    elif shard is not None:
        raise UsageError(message("--shard takes the prompts of --file and writes to --output"))
    elif launched().size > 1:
        raise UsageError(message("several processes take the prompts of --file and write to --output"))
    else:
        _sample_now(model, asked, file, out, k, settings, servers)


def _sample_file(
    model: str,
    file: Path,
    out: Path,
    k: int,
    settings: dict[str, Any],
    shard: str | None,
    servers: dict[str, Any],
) -> None:
    """Answer a file into a file, or one shard of it, from where that was stopped."""
    look_at(model)
    with doing(IMPORTING):
        from truing.data.shards import Shard
        from truing.models.world import joined
        from truing.pipelines.sampling import FileSampling, sample_file
        from truing.sampling.served import Servers
    with joined("auto") as here:
        asked = FileSampling(model, file, out, k, settings, shard, Servers(**servers))
        rows = sample_file(asked, here, say, stage)
    if not here.main:
        return
    if shard is None:
        say(message("wrote {n} responses to {path}", n=rows, path=out))
        next_step(command("chat", model), "talk to it")
        return
    mine = Shard.read(shard).within(0, here.size)
    written = mine.path_of(out) if here.size == 1 else mine.pattern(out)
    say(message("wrote {n} responses to {path}", n=rows, path=written))
    asked_next = command("data merge", mine.pattern(out), output=out)
    next_step(asked_next, "put the shards together, once all are done")


def _sample_now(
    model: str,
    asked: "list[Record]",
    file: Path | None,
    out: Path | None,
    k: int,
    settings: dict[str, Any],
    servers: dict[str, Any],
) -> None:
    """Answer a few prompts, and write all rows at the end."""
    from truing.data.convert import write_jsonl
    from truing.data.load import load_records

    if file is not None:
        loaded = load_records([str(file)])
        say(loaded.sources[0].describe())
        asked = [*asked, *(record for record in loaded.records if record.prompt)]
    if not asked:
        hint = message("--prompt 'Hello' or --file prompts.jsonl")
        raise UsageError(message("no prompts given"), hint=hint)
    look_at(model)
    with doing(IMPORTING):
        from truing.models.trained import load_trained
        from truing.sampling.replies import reply_rows, writable
        from truing.sampling.served import Servers, served
        from truing.sampling.speaker import Speaker
        from truing.sampling.types import Sampling
    behind = Servers(**servers)
    responder = served(model, behind, say) if behind else Speaker.of(load_trained(model))
    asked = writable(responder, asked, say)
    sampling = Sampling(logprobs=not behind, **settings)
    with stage("sampling", len(asked) * k) as line:
        said = responder.answer(
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
