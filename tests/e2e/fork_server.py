"""A process that has imported everything and forks for each command line: `python fork_server.py`.

Importing torch and transformers takes seconds of CPU, and an end-to-end test runs a verb in a fresh process
to see what a user sees. The child of a fork is such a process with the imports done. Requests are lines of
JSON on stdin: the function `program` as `module:function`, `arguments`, `cwd`, `env`, the files `stdin`,
`stdout`, `stderr`, and the function to `pause` at, if any; each is answered by a line with the child's id. A
request `{"wait": id}` is answered by the return code, and with `"poll": true` by null while the child runs.
Nothing here computes before the fork, so no thread of torch is lost in it.
"""

import json
import os
import signal
import sys
import time
import traceback
from functools import wraps
from importlib import import_module
from itertools import count
from pathlib import Path
from pkgutil import resolve_name, walk_packages
from typing import Any

import torch.distributed.run  # noqa: F401 - a program that is asked for
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

from truing.cli.show import console, error_console

ROOMS = "cli config core data evals losses methods models pipelines reports runs"  # that verbs import


def import_all() -> None:
    """Import what verbs import when they run, and compile what transformers would in every process.

    Those are a thousand patterns by which it renames the weights of checkpoints: 0.2 s of CPU.
    """
    for room in ROOMS.split():
        for module in walk_packages(import_module(f"truing.{room}").__path__, f"truing.{room}."):
            import_module(module.name)
    import_module("transformers.models.llama.modeling_llama")
    get_checkpoint_conversion_mapping("llama")


def pause(name: str, folder: Path) -> None:
    """Have the first call of `module:function` wait until the file `go` is in a folder.

    The file `beats` grows there while it waits, and Python runs the handlers of signals.
    """
    place, _, last = name.rpartition("." if "." in name.partition(":")[2] else ":")
    owner = resolve_name(place)
    real = getattr(owner, last)

    @wraps(real)
    def paused(*args: Any, **options: Any) -> Any:
        for beat in count(1):
            if (folder / "go").exists():
                break
            (folder / "beats").write_bytes(b"." * beat)
            time.sleep(0.005)
        return real(*args, **options)

    setattr(owner, last, paused)


def run(request: dict[str, Any]) -> int:
    """Run one command line as the console script does, and return its exit code. Called in a child alone."""
    os.environ.clear()
    os.environ.update(request["env"])
    if columns := os.environ.get("COLUMNS"):  # read when a console is made, which was before the fork
        console.width = error_console.width = int(columns)
    os.chdir(request["cwd"])
    for number, (name, flags) in enumerate(
        (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))
    ):
        opened = os.open(request[name], flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["truing", *request["arguments"]]
    if name := request.get("pause"):
        pause(name, Path(request["stdin"]).parent)
    try:
        resolve_name(request["program"])()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve() -> None:
    import_all()
    print("ready", flush=True)
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        if child := request.get("wait"):
            ended, status = os.waitpid(child, os.WNOHANG if request.get("poll") else 0)
            print(json.dumps(os.waitstatus_to_exitcode(status) if ended else None), flush=True)
            continue
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = run(request)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(child, flush=True)


if __name__ == "__main__":
    serve()
    os._exit(0)  # nothing of torch is taken down
