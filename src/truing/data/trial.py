"""The trial of a stranger's chat template, in a process of its own whose memory and time have limits.

`bounded.py` counts what a template does. What Jinja itself does with a template, while it parses one for
example, is not counted: for that the first rendering is made where nothing else can be harmed. A template
that passed is remembered by its hash.
"""

import hashlib
import json
import logging
import resource
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from jinja2 import TemplateError

from truing.core.errors import ModelError, StorageError
from truing.core.files import write_atomic
from truing.core.messages import Sentence, message
from truing.core.places import cache_folder
from truing.core.version import __version__
from truing.data.bounded import UNITS, write
from truing.data.measures import BEYOND, TooMuchError
from truing.data.refusals import OTHER_TEMPLATE

MEMORY = 1 << 30  # bytes
SECONDS = 10  # of a processor
WAIT = 60  # seconds

# The program of the other process; it finds this package where this process has it.
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from truing.data.trial import answer; answer()"

log = logging.getLogger("truing")

_TURNS = [
    {"role": "system", "content": "a"},
    {"role": "user", "content": "b\nc"},
    {"role": "assistant", "content": "d" * 1000},
]
_CONVERSATIONS = (_TURNS, _TURNS[1:], _TURNS[1:2], _TURNS[1:] * 20)
_TOOL = {"type": "function", "function": {"name": "a", "description": "b", "parameters": {"type": "object"}}}


@lru_cache(64)
def require_bounded(source: str) -> None:
    """Raise ModelError for a chat template that takes too much time or memory on a few words.

    One that was tried before, by any process of this user, is not tried again.
    """
    known = f"{__version__} {UNITS} {source}".encode(errors="surrogatepass")
    note = cache_folder() / "templates" / hashlib.sha256(known).hexdigest()[:32]
    if note.exists():
        return
    if told := _beyond(source):
        raise ModelError(told, hint=OTHER_TEMPLATE)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(note, b"")
    except (OSError, StorageError) as error:
        log.info("the trial of a chat template is not remembered: %s", error)


def _beyond(source: str) -> Sentence | None:
    """Render in another process; say what went beyond a bound, or nothing."""
    rows = [
        {
            "messages": turns,
            "tools": tools,
            "add_generation_prompt": True,
            "bos_token": "<s>",
            "eos_token": "</s>",
        }
        for turns in _CONVERSATIONS
        for tools in (None, [_TOOL])
    ]
    try:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[2])],
            input=json.dumps({"source": source, "rows": rows}),
            capture_output=True,
            encoding="utf-8",
            timeout=WAIT,
        )
    except subprocess.TimeoutExpired:
        return message("the chat template does not end a few words within {seconds} seconds", seconds=WAIT)
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        return message("the system ended the chat template on a few words with {name}", name=name)
    if ended.returncode:
        raise RuntimeError(f"the trial of a chat template failed: {ended.stderr}")
    return BEYOND if json.loads(ended.stdout)["beyond"] else None


def answer() -> None:
    """Render the rows of standard input with its template, within limits; print what went beyond a bound."""
    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    asked = json.load(sys.stdin)
    beyond = False
    for values in asked["rows"]:
        try:
            write(asked["source"], values)
        except TooMuchError:
            beyond = True
            break
        except TemplateError:  # said by whoever renders a row
            continue
    json.dump({"beyond": beyond}, sys.stdout)
