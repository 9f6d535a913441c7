"""Pictures of the pages that truing serves: `python docs/images/pages.py FOLDER`, for all, or names of some.

    annotate.png, annotate-zh.png   a pair, as people vote on it
    project.png                     the numbers of a project, with the agreement of its people
    arena.png                       two models side by side
    run.png                         a run while it trains

The rows are those of `examples/rows`. The people, their votes and the two models of the arena are made up:
`after` says what is chosen there, `before` what is rejected. The run is a real one, of a model of two layers.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from playwright.sync_api import Page, sync_playwright

from truing.cli.annotating import vote_numbers
from truing.core.languages import Language
from truing.core.records import Turns, user
from truing.data.load import load_records
from truing.sampling.streaming import SpokenText, TakePiece
from truing.sampling.types import Finish, Sampling
from truing.store.answers import PairAnswer
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import ProjectStore, open_store
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote
from truing.web.annotate.router import annotate_router
from truing.web.app import WebPart, make_app
from truing.web.arena.contest import Contest
from truing.web.arena.router import arena_router
from truing.web.guard import PageGuard
from truing.web.runs.router import runs_router
from truing.web.serve import base_url, listen, server_of

ROWS = Path(__file__).parents[2] / "examples" / "rows"
CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1200, 760
CHINESE = [
    (
        "怎样在家做面包？",
        "1. 把 500 克面粉、330 克水、10 克盐和 5 克酵母**揉成团**。\n2. 盖好，静置一小时，整形。\n"
        "3. 再发 40 分钟，230 °C 烤 35 分钟。",
        "把面粉和水放进烤箱就行了。",
    ),
    ("月亮为什么有圆缺？", "月亮绕地球转，被太阳照亮的部分随之变化。", "因为云遮住了它。"),
    ("请推荐一个安静的爱好。", "可以试试书法：一支笔、一瓶墨，每天十五分钟。", "看电视。"),
]


def english() -> list[tuple[str, str, str]]:
    """Return the English prompts of the example rows, each with its better and its worse response."""
    records = load_records(ROWS / "preferences.jsonl").records
    rows = [(one.prompt[-1].content, one.chosen.text, one.rejected.text) for one in records]
    return [row for row in rows if row[0].isascii()]


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an app, and give the URL that lets its owner in."""
    sock = listen("127.0.0.1", 0)
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield app.state.guard.url(base_url(sock))
    finally:
        server.end()
        thread.join()


def project(folder: Path, rows: list[tuple[str, str, str]], name: str, language: Language) -> ProjectStore:
    """Make a project of pairs."""
    guide = {"en": "Prefer what is **true**, then what helps.", "zh": "先看是否**正确**，再看是否有帮助。"}
    settings = ProjectSettings(name=name, overlap=3, language=language, guidelines=guide[language])
    store = open_store(folder / f"{language}.db", settings)
    store.add_items(
        NewItem(user(asked), (Candidate(good, "after"), Candidate(bad, "before")))
        for asked, good, bad in rows
    )
    return store


def vote(store: ProjectStore, names: list[str]) -> None:
    """Have people vote on everything: mostly for what a generator draws for the item, as each sees it."""
    chance = random.Random(5)
    odds = {"first": 70, "second": 14, "tie": 10, "both_bad": 6}

    def drawn() -> str:
        return chance.choices(list(odds), list(odds.values()))[0]

    settled = {item.id: drawn() for item in store.items()}
    for name in names:
        person = store.add_person(name, PersonRole.ANNOTATOR)
        while shown := store.next_items(person.id, 1):
            choice: Any = settled[shown[0].item.id] if chance.random() < 0.8 else drawn()
            seconds = round(chance.uniform(4, 20), 1)
            key = f"{name} {shown[0].item.id}"
            store.save(NewVote(person.id, shown[0].item.id, PairAnswer(choice), key, seconds=seconds))


class FromRows:
    """A model of the arena that says what a row holds, a word at a time."""

    def __init__(self, rows: list[tuple[str, str, str]], place: int) -> None:
        self.texts = {row[0]: row[place] for row in rows}

    async def speak(self, turns: Turns, sampling: Sampling, take: TakePiece) -> SpokenText:
        text = self.texts[turns[-1].content]
        for word in text.split(" "):
            take(f"{word} ")
            await asyncio.sleep(0)
        return SpokenText(text, Finish.STOP)


def annotate_app(store: ProjectStore, language: Language) -> FastAPI:
    part = WebPart("truing.web.annotate", annotate_router(store, vote_numbers))
    guard = PageGuard(resolve=store.signed_in, open_paths=("/join",))
    return make_app(store.settings.name, [part], guard, language=language)


def draw_annotate(page: Page, folder: Path, language: Language) -> None:
    """Show a pair before somebody votes on it."""
    rows, name = (english()[:1], "Helpful answers") if language == "en" else (CHINESE, "有用的回答")
    with project(folder, rows, name, language) as store, served(annotate_app(store, language)) as url:
        page.goto(url)
        page.wait_for_selector("#task:not([hidden])")
        shoot(page, folder / ("annotate.png" if language == "en" else f"annotate-{language}.png"), height=560)


def draw_project(page: Page, folder: Path) -> None:
    """Show the numbers of a project that three people have voted in."""
    with (
        project(folder, english()[:40], "Helpful answers", "en") as store,
        served(annotate_app(store, "en")) as url,
    ):
        vote(store, ["Ada", "Bo", "Chen"])
        page.goto(url.replace("/?", "/project?"))
        page.wait_for_selector("#numbers table")
        shoot(page, folder / "project.png", height=1000)


def draw_arena(page: Page, folder: Path) -> None:
    """Show a round of the arena before the vote, below one after it."""
    rows = english()
    with project(folder, rows[:30], "Arena", "en") as store:
        vote(store, ["Ada", "Bo", "Chen"])
        contest = Contest({"before": FromRows(rows, 2), "after": FromRows(rows, 1)}, Sampling())
        app = make_app("Arena", [WebPart("truing.web.arena", arena_router(contest, store))], PageGuard())
        with served(app) as url:
            page.goto(url)
            for place in (0, 2):
                page.fill("#question", rows[place][0])
                page.press("#question", "Enter")
                page.wait_for_selector('[data-key="1"]')
                if place == 0:
                    page.keyboard.press("1" if sides(contest)[0] == "after" else "2")
                    page.wait_for_selector('.round[data-state="judged"]')
            page.wait_for_selector("#standings svg")
            page.evaluate("() => scrollTo({top: 0, behavior: 'instant'})")
            shoot(page, folder / "arena.png")


def sides(contest: Contest) -> list[str]:
    """Return the models of the newest round, from left to right."""
    (talk,) = contest.talks.values()
    return [side.model for side in talk.rounds[-1].sides]


def tiny_model(folder: Path) -> None:
    """Write a Llama of two layers with random weights, and a tokenizer of the example rows."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=special, initial_alphabet=alphabet)
    words.train_from_iterator((text for row in english() for text in row), trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token=special[1], pad_token=special[0])
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"eos_token_id": 1, "pad_token_id": 0, "bos_token_id": None}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes, **ids)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def draw_run(page: Page, folder: Path) -> None:
    """Show a run while it trains."""
    tiny_model(folder / "tiny")
    recipe = {
        "method": "dpo",
        "policy": "tiny",
        "data": {"train": [str(ROWS / "preferences.jsonl")], "eval_fraction": 0.1},
        "optim": {"learning_rate": 1e-3, "items_per_step": 8, "epochs": 200},
        "output": "runs/dpo-tiny",
    }
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    log = folder / "runs" / "dpo-tiny" / "metrics.jsonl"
    with subprocess.Popen([sys.executable, "-m", "truing", "train", "recipe.json"], cwd=folder) as run:
        while not (log.exists() and log.read_bytes().count(b"\n") > 80):
            assert run.poll() is None, "the run has ended too soon"
            time.sleep(0.1)
        app = make_app("Runs", [WebPart("truing.web.runs", runs_router([folder / "runs"]))], PageGuard())
        with served(app) as url:
            page.goto(url)
            page.locator("a", has_text="dpo-tiny").first.click()
            page.locator("#charts[data-loaded]").wait_for(state="attached")
            page.wait_for_timeout(1500)
            shoot(page, folder / "run.png", height=900)
        run.terminate()


def shoot(page: Page, picture: Path, height: int = HEIGHT) -> None:
    """Write what a window of WIDTH by `height` pixels shows."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.screenshot(path=str(picture))


PICTURES: dict[str, Callable[[Page, Path], None]] = {
    "annotate": lambda page, folder: draw_annotate(page, folder, "en"),
    "annotate-zh": lambda page, folder: draw_annotate(page, folder, "zh"),
    "project": draw_project,
    "arena": draw_arena,
    "run": draw_run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("names", nargs="*", help=", ".join(PICTURES))
    asked: Any = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in asked.names or PICTURES:
            window = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            with tempfile.TemporaryDirectory() as made:
                PICTURES[name](window.new_page(), Path(made))
                for picture in Path(made).glob("*.png"):
                    (asked.folder / picture.name).write_bytes(picture.read_bytes())
            window.close()
        browser.close()


if __name__ == "__main__":
    main()
