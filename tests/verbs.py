"""Fixtures for all folders: a recipe for the tiny model folder, and the command line as users run it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from truing.cli.main import main


@dataclass(frozen=True)
class Ended:
    """A verb that has ended: its return code, and the text it printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Ended]:
    """Runs `truing ARGS` in an empty folder, in this process: torch is imported already."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["truing", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), printed.out, printed.err)

    return run


@pytest.fixture
def recipe(model_folder: Path, pairs_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe for the tiny model; keyword arguments replace top-level keys."""

    def write(name: str = "recipe.json", **changes: object) -> Path:
        content = {
            "method": "dpo",
            "policy": str(model_folder),
            "data": {"train": [str(pairs_file)]},
            "lora": {"r": 4, "dropout": 0.1},
            "optim": {"learning_rate": 1e-3, "items_per_step": 3, "epochs": 2},
            "checkpoint": {"every": 2},
            "dtype": "float32",
            "tokens_per_pass": 128,
            "output": str(tmp_path / "run"),
        }
        path = tmp_path / name
        path.write_text(json.dumps(content | changes))
        return path

    return write


EMPTY: Mapping[str, str] = {}
SETTLED = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "TRUING_LANG": "en"}
Ran = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def started() -> Callable[..., Ran]:
    """Runs `truing ARGS` in a process of its own that imports all it needs; `options` are those of `run`."""

    def run(*args: object, **options: Any) -> Ran:
        command = [sys.executable, "-m", "truing", *map(str, args)]
        how = {"capture_output": True, "text": True, "env": {**os.environ, **SETTLED}, "check": False}
        return subprocess.run(command, **{**how, **options})

    return run


@contextmanager
def serving(command: list[str], **how: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process that serves; it ends with the block, also where the block fails."""
    with subprocess.Popen(command, text=True, **how) as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass
class Forked:
    """A verb that runs in a child of the fork server."""

    ask: Callable[[dict[str, Any]], Any]
    pid: int
    arguments: list[str]
    streams: dict[str, Path]
    returncode: int | None = None

    def poll(self) -> int | None:
        """The return code, None while it runs."""
        if self.returncode is None:
            self.returncode = self.ask({"wait": self.pid, "poll": True})
        return self.returncode

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> Ran:
        """Wait for its end, and return its code and the text it printed."""
        if self.returncode is None:
            self.returncode = self.ask({"wait": self.pid})
        said = [self.streams[name].read_text("utf-8", errors="replace") for name in ("stdout", "stderr")]
        return Ran(["truing", *self.arguments], self.returncode or 0, *said)

    def beats(self, more: int = 1) -> None:
        """Wait until it waits at its pause, and until Python has run `more` times there from now on."""
        file, deadline = self.streams["stdin"].with_name("beats"), time.monotonic() + 240
        before = file.stat().st_size if file.exists() else 0
        while not (file.exists() and file.stat().st_size >= before + more):
            assert self.poll() is None, self.wait().stderr
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def stop_paused(self, *numbers: int) -> Ran:
        """Send signals while it waits at its pause, one after another, and let it go on."""
        for number in numbers:
            self.beats(2)
            self.send(number)
        self.streams["stdin"].with_name("go").touch()
        return self.wait()

    def until(self, steps: int, run: Path) -> None:
        """Wait until the run in a folder has logged this many steps."""
        log, deadline = run / "metrics.jsonl", time.monotonic() + 240
        while not (log.exists() and log.read_text().count("\n") >= steps):
            assert self.poll() is None, self.wait().stderr
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def stop_after(self, steps: int, run: Path, number: int) -> Ran:
        """Send a signal once the run in a folder has logged this many steps."""
        self.until(steps, run)
        self.send(number)
        return self.wait()


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Forked]]:
    """Begins `truing ARGS` in a process of its own, forked from one that has imported torch already.

    `cwd` is where it runs, `input` the text on its stdin, `env` more of its environment, `program` the
    function of another program than truing's. It waits at the first call of `pause`, as `module:function`.
    The seed of its hashes is another than that of this process.
    """
    command = [sys.executable, str(Path(__file__).parent / "e2e" / "fork_server.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    drawn = {"PYTHONHASHSEED": "random"}
    with subprocess.Popen(command, env={**os.environ, **SETTLED, **drawn}, **pipes) as server:
        assert server.stdin and server.stdout
        assert server.stdout.readline() == "ready\n"

        def ask(request: dict[str, Any]) -> Any:
            assert server.stdin and server.stdout
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        def begin(
            *args: object,
            cwd: Path | None = None,
            input: str = "",
            env: Mapping[str, str] = EMPTY,
            pause: str = "",
            program: str = "truing.cli.start:run",
        ) -> Forked:
            folder = tmp_path_factory.mktemp("forked")
            streams = {name: folder / name for name in ("stdin", "stdout", "stderr")}
            for name, path in streams.items():
                text = input if name == "stdin" else ""
                path.write_text(text, encoding="utf-8", errors="surrogateescape")
            arguments = list(map(str, args))
            request: dict[str, Any] = {name: str(path) for name, path in streams.items()}
            request |= {"program": program, "arguments": arguments}
            request |= {"cwd": str(cwd or Path.cwd()), "pause": pause}
            pid = ask(request | {"env": {**os.environ, **SETTLED, **env}})
            return Forked(ask, pid, arguments, streams)

        yield begin
        server.stdin.close()


@pytest.fixture(scope="session")
def ranks(begun: Callable[..., Forked]) -> Callable[..., list[Forked]]:
    """Begins `truing ARGS` in `size` processes that know each other, as `torchrun` starts them."""

    def begin(*args: object, size: int = 2, **options: Any) -> list[Forked]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
        return [
            begun(*args, env=place | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, **options)
            for rank in range(size)
        ]

    return begin


@pytest.fixture(scope="session")
def truing(begun: Callable[..., Forked]) -> Callable[..., Ran]:
    """Runs `truing ARGS` in a process of its own, as `begun` does, and waits for its end."""

    def run(*args: object, **options: Any) -> Ran:
        return begun(*args, **options).wait()

    return run
