"""Options of the verbs that serve pages, and the way from them to a running server.

A verb makes its parts and calls `serve_pages`; nothing of the web is imported before.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from truing.cli.language import console_language, here
from truing.cli.show import say_whole
from truing.core.languages import Language

if TYPE_CHECKING:
    from truing.web.app import WebPart

HostOption = Annotated[
    str, typer.Option("--host", help="The address to listen on; any but this machine's own needs a password.")
]
PortOption = Annotated[
    int | None, typer.Option("--port", help="The port; without it, the first free one from 8484.")
]
PasswordFlag = Annotated[
    bool, typer.Option("--password", help="Ask for a password, unless TRUING_PASSWORD holds one.")
]
NameOption = Annotated[
    list[str] | None,
    typer.Option("--name", help="A name that the server is reached by, such as a proxy's; may be repeated."),
]
PageLanguage = Annotated[
    Language | None,
    typer.Option(
        "--language", help="Of the pages; without it, that of the terminal. Visitors can change it."
    ),
]


def serve_pages(
    title: str,
    parts: "Callable[[], Sequence[WebPart]]",
    *,
    host: str,
    port: int | None,
    password: bool,
    names: Sequence[str] | None,
    language: Language | None,
    opened: Callable[[str], None] = lambda base: None,
    **rules: Any,
) -> None:
    """Serve the app of some parts until Ctrl-C; `rules` are further fields of the guard.

    `opened` tells further links, from the URL of the server.

    Raises UsageError for an address of other machines without a password, before `parts` is called.
    """
    from truing.web.app import make_app
    from truing.web.serve import guard_for, password_for, serve

    secret = password_for(host, password, lambda: typer.prompt(here("password"), hide_input=True, err=True))
    guard = guard_for(host, secret, names or (), **rules)
    app = make_app(title, parts(), guard, language=language or console_language())
    serve(app, host, port, say=say_whole, opened=opened)
