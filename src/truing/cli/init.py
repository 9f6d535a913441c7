"""`init`: a recipe to start from, with rows to try it on."""

from pathlib import Path
from typing import Annotated

import typer

from truing.cli.commands import command, quoted
from truing.cli.language import here
from truing.cli.show import IMPORTING, SMALL_MODEL, next_step, say
from truing.config.names import require_method
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import joined, message


def init(
    method: Annotated[
        str | None,
        typer.Argument(help="How to train; without one, all methods are listed.", show_default=False),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The recipe's file; METHOD.yaml unless given.")] = None,
    model: Annotated[str, typer.Option(help="The model to train.")] = SMALL_MODEL,
) -> None:
    """Write a recipe that states every default and its meaning, and a few rows to try it on."""
    if method is not None:
        require_method(method)
    with doing(IMPORTING):
        from truing.pipelines.starter import METHODS, sample_rows, starting, wants, write_recipe

    if method is None:
        width = max(map(len, METHODS))
        for name, row in METHODS.items():
            said = {"title": message(row.title), "rows": message(wants(name))}
            print(f"{name:{width}}  {here(message('{title}; learns from {rows}', **said))}")
        next_step(command("init", "dpo"), "writes dpo.yaml, and rows to try it on")
        return
    source = sample_rows(method)
    path = output or Path(f"{method}.yaml")
    rows = path.with_name(f"sample_{source.name}")
    if path.exists():
        said = message("{path} is there already", path=path)
        raise UsageError(said, hint=message("--output names another file"))
    if not path.parent.is_dir():
        said = message("{path} is no folder", path=path.parent)
        raise UsageError(said, hint=f"mkdir -p {quoted(str(path.parent))}")
    recipe = starting(method, policy=model, rows=str(rows), output=f"runs/{path.stem}")
    written = _written(path, write_recipe(recipe).encode()), _written(rows, source.read_bytes())
    say(message("wrote {files}", files=joined(" and ", filter(None, written))))
    why = "shows what is learnt from {rows}; then put your own rows under data.train"
    next_step(command("check", path), message(why, rows=rows))


def _written(path: Path, content: bytes) -> str:
    """Write a file unless it exists; return its path, or empty for one that exists, such as shared rows."""
    from truing.core.files import write_atomic

    if path.exists():
        return ""
    write_atomic(path, content)
    return str(path)
