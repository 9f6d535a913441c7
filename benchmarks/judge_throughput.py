"""Measure how much of a server's throughput a judge keeps, against a bare loop of requests as long.

    python benchmarks/judge_throughput.py
    python benchmarks/judge_throughput.py --base-url http://127.0.0.1:8000/v1 --model MODEL --questions 64

Both keep 32 requests in flight. They take turns, A B A B, so that what changes on the machine meets both. The
judge also hashes, reads and stores every answer. Without an address the server is one of this file, which
answers after a fixed delay from a process of its own, whose processor time is not counted.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx2

from truing.core.records import user
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.fields import VERDICT
from truing.judges.opinions import NoVerdictError
from truing.judges.reading import read_field

TEXT = "Which of the two answers is kinder? " * 60  # about 500 tokens, as a comparison has


def main() -> None:
    options = parsed()
    process = None
    if not options.base_url:
        process, options.base_url = start_server(options.delay)
    try:
        measure(options)
    finally:
        if process is not None:
            process.kill()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", default="", help="an OpenAI-compatible address ending in /v1")
    parser.add_argument("--model", default="wise")
    parser.add_argument("--questions", type=int, default=640, help="in one turn")
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3, help="of each")
    parser.add_argument("--delay", type=float, default=0.25, help="seconds, of the server of this file")
    parser.add_argument("--max-tokens", type=int, default=32)
    return parser.parse_args()


def measure(options: argparse.Namespace) -> None:
    endpoint = Endpoint(
        model=options.model,
        base_url=options.base_url,
        api_key_env=None,
        concurrency=options.in_flight,
        max_tokens=options.max_tokens,
    )
    rates: dict[str, list[float]] = {"bare": [], "judge": []}
    spent = dict.fromkeys(rates, 0.0)  # seconds of this process
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(endpoint, AnswerCache(Path(folder) / "answers.sqlite"))
        judge.ask([user(f"warm-up {index}\n{TEXT}") for index in range(options.in_flight)], lenient)
        for turn in range(options.turns):
            # As long, and apart from the first token on: a server keeps what it has read of a prompt.
            sides = {
                name: [user(f"{name} {turn}-{index}\n{TEXT}") for index in range(options.questions)]
                for name in rates
            }
            works = {
                "bare": lambda asked=sides["bare"]: asyncio.run(bare(endpoint, asked)),
                "judge": lambda asked=sides["judge"]: judge.ask(asked, lenient),
            }
            for name, work in works.items():
                start, busy = time.perf_counter(), time.process_time()
                work()
                spent[name] += time.process_time() - busy
                rates[name].append(options.questions / (time.perf_counter() - start))
    for name, found in rates.items():
        each = 1e3 * spent[name] / (options.turns * options.questions)
        told = " ".join(f"{rate:8.2f}" for rate in found)
        print(f"{name:6} {told} requests/s, {each:.2f} ms of processor time each")
    print(f"ratio  {median(rates['judge']) / median(rates['bare']):.3f}")


def lenient(text: str) -> str:
    """Read the verdict where there is one: a small model may give none, and that costs as much."""
    try:
        return str(read_field(text, VERDICT))
    except NoVerdictError:
        return ""


async def bare(endpoint: Endpoint, questions: list) -> None:
    """Send the same requests in a plain loop, and read each reply as JSON."""
    waiting = iter(questions)
    limits = httpx2.Limits(max_connections=endpoint.concurrency)
    async with httpx2.AsyncClient(timeout=None, limits=limits) as client:

        async def work() -> None:
            for question in waiting:
                reply = await client.post(endpoint.chat, json=endpoint.request(question))
                reply.raise_for_status()
                reply.json()["choices"][0]["message"]["content"]

        await asyncio.gather(*(work() for _ in range(endpoint.concurrency)))


def start_server(delay: float) -> tuple[subprocess.Popen, str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(delay)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{int(process.stdout.readline())}/v1"


async def serve(delay: float) -> None:
    """Answer every request after `delay` seconds, over connections that stay open."""
    said = {"role": "assistant", "content": "The first is kinder.\n\nVERDICT: A"}
    usage = {"prompt_tokens": 500, "completion_tokens": 12, "total_tokens": 512}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    body = json.dumps({"id": "1", "model": "wise", "choices": [choice], "usage": usage}).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                length = asked.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                await asyncio.sleep(delay)
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(float(sys.argv[2])))
    else:
        main()
