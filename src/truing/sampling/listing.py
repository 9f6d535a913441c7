"""The addresses of servers: those of a recipe, and those in a file that may change while a run goes on.

# servers.txt: one address a line
http://10.0.0.1:8000
http://10.0.0.2:8000
"""

from collections.abc import Sequence
from pathlib import Path

from truing.core.errors import ConfigError
from truing.core.messages import Say, message
from truing.sampling.servers import clean_urls


class Listing:
    """The servers of a recipe, and of its `sampling.servers_file`."""

    def __init__(self, urls: Sequence[str], path: Path | None = None, say: Say = lambda line: None) -> None:
        """Raise ConfigError for an address that is none, and where there can be no server at all."""
        self._urls, self._path, self._say = clean_urls(urls), path, say
        self._problem = ""
        if path is None and not urls:
            raise ConfigError("no server is given", hint="name at least one, like http://127.0.0.1:8000")
        self._newest = self._read()

    def urls(self) -> list[str]:
        """Return the addresses of now. A file that cannot be read changes nothing, and is told once."""
        try:
            self._newest, self._problem = self._read(), ""
        except ConfigError as error:
            if self._problem != str(error):
                self._problem = str(error)
                said = "the list of servers is not taken: {reason}"
                self._say(message(said, reason=error.message))
        return self._newest

    def _read(self) -> list[str]:
        if self._path is None:
            return self._urls
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            told = message("{path} cannot be read: {reason}", path=self._path, reason=reason)
            raise ConfigError(told, hint=message("write one address of a server a line")) from error
        lines = [line.partition("#")[0].strip() for line in lines]
        return clean_urls([*self._urls, *filter(None, lines)])
