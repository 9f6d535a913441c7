"""Measure the votes of many people at once, over real sockets, beside the disk's own time to keep a page.

    python benchmarks/votes.py --people 50 --seconds 60
    python benchmarks/votes.py --database postgresql --people 200 --seconds 60
    python benchmarks/votes.py --people 50 --seconds 60 --overlap 3
    python benchmarks/votes.py --session 10000
    python benchmarks/votes.py --kill 20

The server is that of truing annotate, in a process of its own. Each person votes every 5 s and asks for the
next items, as the page does. `--session` is one person without a pause: the last 1000 votes beside the first.
`--kill` ends the server with SIGKILL while people vote, starts it again, and sends every vote once more: none
that was told to be saved may be lost, and none may stand twice. `--database postgresql` starts a server of
its own from Debian's package, as another user where this one is root. With `--overlap` above 1 each item
needs several votes, and `groups` counts the sets of people who have voted on the open items at the end.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from truing.core.records import user
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import open_store
from truing.store.settings import ProjectSettings

TEXT = "A loaf is done when its crust sounds hollow, which the baker hears by a knock on the bottom. " * 6
AHEAD = 3  # items that a page holds
IDLE = 3.0  # seconds; the server closes a connection that says nothing for 5
EDGE = 1000  # votes at the beginning and at the end of a session


def main() -> None:
    options = parsed()
    with (
        tempfile.TemporaryDirectory(prefix="truing-votes-") as folder,
        database(options, Path(folder)) as place,
    ):
        found: dict[str, Any] = {"machine": machine(), "database": options.database}
        found["fsync"] = spread(fsyncs(Path(folder)))
        if options.session:
            found["session"] = asyncio.run(session(place, options.session, options.overlap))
        elif options.kill:
            found["kill"] = asyncio.run(killed(place, options.people, options.kill, options.overlap))
        else:
            found["load"] = asyncio.run(load(place, options))
    print(json.dumps(found) if options.json else told(found))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two votes of a person")
    parser.add_argument("--overlap", type=int, default=1, help="votes that an item needs")
    parser.add_argument("--session", type=int, default=0, help="votes of one person, in place of the load")
    parser.add_argument("--kill", type=float, default=0.0, help="seconds until SIGKILL, in place of the load")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


# Where the votes go


@contextmanager
def database(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Yield the address of an empty database."""
    if options.database == "sqlite":
        yield str(folder / "project.db")
        return
    found = [shutil.which("initdb"), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    binaries = Path(next(name for name in reversed(found) if name)).parent
    account: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    home = Path(tempfile.mkdtemp(prefix="truing-postgres-"))
    if account:
        shutil.chown(home, "postgres")
    port, data = free_port(), home / "data"
    how = {"cwd": home, "stdout": subprocess.DEVNULL, "check": True, **account}
    subprocess.run([binaries / "initdb", "-D", data, "-U", "truing", "-A", "trust", "-E", "UTF8"], **how)
    settings = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c max_connections=300"
    subprocess.run(
        [binaries / "pg_ctl", "-D", data, "-l", home / "log", "-w", "-o", settings, "start"], **how
    )
    try:
        yield f"postgresql://truing@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([binaries / "pg_ctl", "-D", data, "-m", "fast", "stop"], **how)
        shutil.rmtree(home)


def fill(place: str, people: int, items: int, overlap: int) -> list[str]:
    """Make a project with people and items, and return a session of each person."""
    with open_store(place, ProjectSettings(overlap=overlap)) as store:
        store.add_items(
            NewItem(user(f"How do I bake loaf {i}?"), (Candidate(f"{i}. {TEXT}", "A"), Candidate(TEXT, "B")))
            for i in range(items)
        )
        return [
            store.sign_in(store.add_person(f"person {i}", PersonRole.ANNOTATOR).id) for i in range(people)
        ]


def groups(place: str, overlap: int) -> int:
    """Count the sets of people who have voted on the items that still lack votes."""
    voters: dict[int, set[int]] = {}
    with open_store(place) as store:
        for vote in store.standing_votes():
            voters.setdefault(vote.item, set()).add(vote.person)
    return len({frozenset(found) for found in voters.values() if len(found) < overlap})


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Pages:
    """`truing annotate` in a process of its own, which can be killed and started again on its port."""

    def __init__(self, place: str) -> None:
        self.place, self.port = place, free_port()
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        words = ["annotate", "serve", "--project", self.place, "--people", "0", "--port", str(self.port)]
        process = subprocess.Popen(
            [sys.executable, "-m", "truing", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return process
            if process.poll() is not None:
                raise SystemExit(f"the server did not start: {process.stderr.read().decode()}")
            time.sleep(0.1)
        raise SystemExit("the server did not start in two minutes")

    def spent(self) -> float:
        """Return the seconds of processor time of the server so far; 0 where /proc does not tell."""
        path = Path(f"/proc/{self.process.pid}/stat")
        if not path.exists():
            return 0.0
        fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def again(self) -> None:
        self.process = self.start()


# A person


@dataclass
class Page:
    """The page of one person: votes, in order, each with a key of its own, and the next items."""

    port: int
    session: str
    held: list[dict[str, Any]] = field(default_factory=list)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)  # votes by key, whether answered or not
    saved: set[str] = field(default_factory=set)  # keys that the server said are saved
    times: list[float] = field(default_factory=list)  # seconds of each vote's request
    _used: float = 0.0
    _stream: "tuple[asyncio.StreamReader, asyncio.StreamWriter] | None" = None

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one request on the open connection and return the JSON of its answer."""
        if self._stream is not None and time.monotonic() - self._used > IDLE:
            self._stream[1].close()
            self._stream = None
        if self._stream is None:
            self._stream = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._stream
        content = json.dumps(body).encode()
        csrf = hashlib.sha256(b"csrf:" + self.session.encode()).hexdigest()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\norigin: http://127.0.0.1:{self.port}\r\n"
            f"content-type: application/json\r\ncookie: truing-{self.port}={self.session}\r\n"
            f"x-truing-csrf: {csrf}\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + content)
            answered = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in answered.split(b"\r\n")[1:] if line)
            said = await reader.readexactly(int(fields[b"content-length"]))
        except (OSError, EOFError):
            self._stream = None
            raise
        self._used = time.monotonic()
        status = int(answered.split(b" ", 2)[1])
        if status != 200:
            raise RuntimeError(f"{path}: {status} {said.decode()[:200]}")
        return json.loads(said)

    async def fetch(self) -> bool:
        """Fill up the items that the page holds; return whether there is one."""
        if len(self.held) < AHEAD:
            asked = {"count": AHEAD - len(self.held), "held": [one["item"] for one in self.held]}
            self.held += (await self.ask("/next", asked))["items"]
        return bool(self.held)

    async def vote(self) -> None:
        """Vote on the first item."""
        item = self.held[0]
        body = {
            "client_key": str(uuid4()),
            "item": item["item"],
            "key": item["key"],
            "look": item["look"],
            "answer": {"kind": "pair", "side": item["item"] % 2},
            "seconds": 4.0,
        }
        self.sent[body["client_key"]] = body
        begun = time.perf_counter()
        await self.ask("/votes", body)
        self.times.append(time.perf_counter() - begun)
        self.saved.add(body["client_key"])
        self.held.pop(0)

    async def replay(self) -> list[str]:
        """Send every vote again; return the keys of those that were new to the server."""
        return [key for key, body in self.sent.items() if (await self.ask("/votes", body))["new"]]


# What is measured


async def load(place: str, options: argparse.Namespace) -> dict[str, Any]:
    """Let people vote every few seconds, each from a moment of their own."""
    people, seconds, every = options.people, options.seconds, options.every
    sessions = fill(place, people, int(people * (seconds / every + 2 + AHEAD)), options.overlap)
    pages = Pages(place)
    try:
        everyone = [Page(pages.port, one) for one in sessions]
        for page in everyone:
            await page.fetch()
        begun, spent = time.monotonic(), pages.spent()

        async def one(number: int, page: Page) -> None:
            due = begun + every * number / people
            while due < begun + seconds:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await page.vote()
                await page.fetch()
                due += every

        await asyncio.gather(*(one(number, page) for number, page in enumerate(everyone)))
        busy, spent = os.getloadavg()[0], pages.spent() - spent
    finally:
        pages.kill()
    times = [seconds for page in everyone for seconds in page.times]
    cost = {"server_cpu_ms_per_vote": 1000 * spent / len(times)}  # and the next item after it
    shape = {"people": people, "every_s": every, "overlap": options.overlap}
    shape["groups"] = groups(place, options.overlap)
    return {**shape, "load_average": busy, **spread(times), **cost}


async def session(place: str, votes: int, overlap: int) -> dict[str, Any]:
    """Let one person vote without a pause, and hold the last votes beside the first."""
    edge = min(EDGE, votes // 3)
    (secret,) = fill(place, 1, votes + AHEAD, overlap)
    pages = Pages(place)
    try:
        page = Page(pages.port, secret)
        fetched: list[float] = []
        costs: list[float] = [pages.spent()]
        for number in range(votes):
            begun = time.perf_counter()
            await page.fetch()
            fetched.append(time.perf_counter() - begun)
            await page.vote()
            if number + 1 in (edge, votes - edge, votes):
                costs.append(pages.spent())
    finally:
        pages.kill()
    of = {"vote": page.times, "vote and next": [a + b for a, b in zip(page.times, fetched, strict=True)]}
    growth = {
        name: statistics.median(some[-edge:]) / statistics.median(some[:edge]) for name, some in of.items()
    }
    return {
        "votes": votes,
        "first": spread(page.times[:edge]),
        "last": spread(page.times[-edge:]),
        "last_over_first": growth,
        "server_cpu_ms_per_vote": {
            "first": 1000 * (costs[1] - costs[0]) / edge,
            "last": 1000 * (costs[-1] - costs[-2]) / edge,
        },
    }


async def killed(place: str, people: int, seconds: float, overlap: int) -> dict[str, Any]:
    """Kill the server among votes, start it again, send all votes once more, and count what stands."""
    sessions = fill(place, people, 20_000, overlap)
    pages = Pages(place)
    everyone = [Page(pages.port, one) for one in sessions]

    async def vote(page: Page) -> None:
        with suppress(OSError, EOFError):
            while await page.fetch():
                await page.vote()

    try:
        voting = asyncio.gather(*(vote(page) for page in everyone))
        await asyncio.sleep(seconds)
        pages.kill()
        await voting
        pages.again()
        new = [(page, key) for page in everyone for key in await page.replay()]
        twice = [key for page in everyone for key in await page.replay()]
    finally:
        pages.kill()
    with open_store(place) as store:
        stand = Counter((vote.person, vote.item, vote.look) for vote in store.standing_votes())
        rows = sum(vote.act == "vote" for vote in store.history())
    sent, saved = sum(len(page.sent) for page in everyone), sum(len(page.saved) for page in everyone)
    return {
        "sent": sent,
        "told_saved": saved,
        "unanswered": sent - saved,
        "new_at_replay": len(new),
        "new_at_second_replay": len(twice),
        "rows": rows,
        "stand": stand.total(),
        "stand_twice": sum(count > 1 for count in stand.values()),
        "lost": sum(key in page.saved for page, key in new),  # told to be saved, and new again
        "lacking": sent - rows,
    }


def fsyncs(folder: Path, times: int = 200) -> list[float]:
    """Return the seconds that the disk takes to keep one page of 4 kB, each time."""
    found: list[float] = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(times):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            found.append(time.perf_counter() - begun)
    return found


def spread(times: list[float]) -> dict[str, float]:
    """Return count, median, 99th percentile and maximum, in milliseconds."""
    ordered = sorted(times)

    def at(share: float) -> float:
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return {"n": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": 1000 * ordered[-1]}


def machine() -> dict[str, Any]:
    """Return the processor, its cores, whether it has AVX2, and how busy it is."""
    lines = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if platform.system() == "Linux" else []
    )
    named = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "processor": named[0] if named else platform.processor(),
        "cores": os.cpu_count(),
        "avx2": " avx2" in flags,
        "load_average": os.getloadavg()[0],
    }


def told(found: dict[str, Any]) -> str:
    lines = [f"{name}: {value}" for name, value in found.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
