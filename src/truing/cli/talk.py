"""`chat`: talk to a model, before and after training."""

from typing import Annotated

import typer
from rich.columns import Columns
from rich.panel import Panel
from rich.text import Text

from truing.cli.commands import command
from truing.cli.language import here
from truing.cli.show import IMPORTING, console, next_step, say
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import joined, message

SourceArgument = Annotated[
    str, typer.Argument(help="A run folder, a model folder, a hub name or wheel:NAME.")
]
MaxNew = Annotated[int, typer.Option(help="Most tokens of a response.")]
Temperature = Annotated[float, typer.Option(help="0 is greedy.")]


def look_at(*sources: str) -> None:
    """Refuse models that do not exist before the long imports."""
    from truing.models.sources import require_openable

    with doing(message("looking at {model}", model=joined(" and ", sources))):
        for source in sources:
            require_openable(source)


def utf8(text: str) -> str:
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
        return utf8(input(here("you> "))).strip()
    except EOFError:
        return ""
    except UnicodeDecodeError as error:
        said = message("the input is not UTF-8 text: {error}", error=error)
        raise UsageError(said, hint=message("save or type it as UTF-8")) from error


def chat(
    model: SourceArgument,
    against: Annotated[
        str | None, typer.Option(help="A second model, shown to the left of the first.")
    ] = None,
    max_new_tokens: MaxNew = 256,
    temperature: Temperature = 0.0,
) -> None:
    """Talk to a model, or to two side by side; an empty line or Ctrl-D ends."""
    from truing.cli.tokens import visible

    sources = [model] if against is None else [against, model]
    look_at(*sources)
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
