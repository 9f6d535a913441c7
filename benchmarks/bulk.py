"""Requests per second and memory of `truing sample` over servers, for numbers of rows.

usage: python benchmarks/bulk.py --rows 2000 20000
       python benchmarks/bulk.py --rows 100000 --in-flight 1024 --servers 4 --seconds 1

Starts stub servers, each a process that speaks as much of vLLM's HTTP as is asked of it and answers eight
tokens after `--seconds`, and lets the verb answer a file of short prompts, in a process of its own. What is
measured is the verb: reading, tokenising, asking, writing. `memory` is the peak of its process.
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from large_rows import Measured, run, write_model

TOKENS = 8  # of a response


async def _serve(port: Connection, seconds: float) -> None:
    def answer(path: str, body: bytes) -> Any:
        if path == "/v1/models":
            return {"data": [{"id": "stub", "parent": None, "max_model_len": 2048}]}
        if path == "/v1/completions":
            first = json.loads(body)["seed"] % 1000
            tokens = [1000 + first + place for place in range(TOKENS)]
            return {"choices": [{"token_ids": tokens, "finish_reason": "length"}]}
        return {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            length = 0
            while (header := await reader.readline()).strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            path = line.split()[1].decode()
            told = json.dumps(answer(path, await reader.readexactly(length))).encode()
            if path == "/v1/completions":
                await asyncio.sleep(seconds)
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(told)}\r\n\r\n"
            writer.write(head.encode() + told)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _stub(port: Connection, seconds: float) -> None:
    asyncio.run(_serve(port, seconds))


def measured(folder: Path, rows: int, urls: list[str], in_flight: int) -> Measured:
    """Have the verb answer `rows` prompts, and check that it wrote each once, in order."""
    prompts, output = folder / f"{rows}.jsonl", folder / f"{rows}-said.jsonl"
    with prompts.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"prompt": f"Question {row}?"}) + "\n" for row in range(rows))
    servers = [part for url in urls for part in ("--server", url)]
    flags = ["--file", str(prompts), "--output", str(output), "--in-flight", str(in_flight), *servers]
    done = run(f"{rows} rows", "sample", str(folder / "model"), *flags, cwd=folder)
    with output.open(encoding="utf-8") as file:
        told = [json.loads(line)["prompt"][0]["content"] for line in file]
    if told != [f"Question {row}?" for row in range(rows)]:
        sys.exit(f"{len(told)} rows of {rows}, or not in their order")
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--in-flight", type=int, default=512, help="requests that a server has at once")
    parser.add_argument("--seconds", type=float, default=0.5, help="that a response takes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    started, urls = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model")
        try:
            for _ in range(asked.servers):
                here, there = multiprocessing.Pipe()
                stub = multiprocessing.get_context("spawn").Process(target=_stub, args=(there, asked.seconds))
                stub.start()
                started.append(stub)
                urls.append(f"http://127.0.0.1:{here.recv()}")
            found = [measured(folder, rows, urls, asked.in_flight) for rows in asked.rows]
        finally:
            for stub in started:
                stub.terminate()
                stub.join()
    for rows, one in zip(asked.rows, found, strict=True):
        told = {"rows": rows, "seconds": one.seconds, "processor": one.processor, "memory": one.memory}
        if asked.json:
            print(json.dumps(told))
        else:
            pace = f"{rows / one.seconds:.0f} a second"
            cost = f"processor {one.processor:.1f} s, memory {one.memory / 1e9:.3f} GB"
            print(f"{rows} rows: {one.seconds:.1f} s, {pace}, {cost}")


if __name__ == "__main__":
    main()
