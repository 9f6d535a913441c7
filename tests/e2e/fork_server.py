"""A process that has imported everything and forks for each command line: `python fork_server.py`.

Importing torch and transformers takes seconds of CPU, and an end-to-end test runs a verb in a fresh process
to see what a user sees. The child of a fork is such a process with the imports done. Requests are lines of
JSON on stdin: the module `program` that has a `main`, `arguments`, `cwd`, `env`, and the files `stdin`,
`stdout`, `stderr`; each is answered by a line with the child's id. A request `{"wait": id}` is answered by
the return code, and with `"poll": true` by null while the child runs. Nothing here computes before the fork,
so no thread of torch is lost in it.
"""

import json
import os
import signal
import sys
import traceback
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import torch.distributed.run  # noqa: F401 - a program that is asked for
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

import truing
from truing.cli.show import console, error_console

IMPORTED = ("config", "core", "data", "evals", "losses", "methods", "models", "pipelines", "reports", "runs")


def import_all() -> None:
    """Import what verbs import when they run, and compile what transformers would in every process.

    Those are a thousand patterns by which it renames the weights of checkpoints: 0.2 s of CPU.
    """
    for room in IMPORTED:
        for module in walk_packages(import_module(f"truing.{room}").__path__, f"truing.{room}."):
            import_module(module.name)
    import_module("transformers.models.llama.modeling_llama")
    get_checkpoint_conversion_mapping("llama")


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
    try:
        import_module(request["program"]).main()
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
    assert truing.__file__
    serve()
    os._exit(0)  # nothing of torch is taken down
