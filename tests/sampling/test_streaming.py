"""Text that comes while a tiny model writes it: whole characters, the same tokens, both sides in turns."""

import asyncio
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from truing.core.errors import DataError
from truing.core.records import Message, Turns, key_of, user
from truing.models.trained import load_trained
from truing.sampling.shelf import Shelf
from truing.sampling.speaker import Speaker
from truing.sampling.streaming import UNREAD, LocalStreamer, SpokenText, TextPieces
from truing.sampling.turns import WorkInTurns
from truing.sampling.types import Finish, Sampling

ASKED = user("How do I bake bread?")
DRAWN = Sampling(max_new_tokens=40, temperature=1.0, seed=3)


@pytest.mark.parametrize("text", ["碗里的面包。 Hi 🙂!", "naïve  two spaces\n\n里", "abc"])
def test_pieces_are_whole_characters_and_make_up_the_text(model_folder: Path, text: str):
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer(text)["input_ids"]
    pieces = TextPieces(tokenizer)
    found = [pieces.add(ids[: place + 1]) for place in range(len(ids))]
    assert not any(UNREAD in piece for piece in found)
    assert "".join(found) == text
    assert pieces.rest(text) == ""
    if "碗" in text:
        assert len(ids) > len(text), "the characters are split over tokens"


def test_what_is_no_character_is_given_with_what_follows_or_at_the_end(model_folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    [first, *_] = tokenizer("碗")["input_ids"]  # the first byte of three
    [letter] = tokenizer("a")["input_ids"]
    pieces = TextPieces(tokenizer)
    assert [pieces.add([first]), pieces.add([first, letter]), pieces.add([first, letter, first])] == [
        "",
        f"{UNREAD}a",
        "",
    ]
    assert pieces.rest(tokenizer.decode([first, letter, first])) == UNREAD


def speak(folder: Path, sampling: Sampling = DRAWN, turns: Turns = ASKED):
    async def spoken() -> tuple[SpokenText, list[str]]:
        pieces: list[str] = []
        streamer = LocalStreamer(str(folder), Shelf(1e9), WorkInTurns())
        return await streamer.speak(turns, sampling, pieces.append), pieces

    return asyncio.run(spoken())


def test_a_response_that_is_followed_is_the_one_that_is_sampled(model_folder: Path):
    said, pieces = speak(model_folder)
    [drawn] = Speaker.of(load_trained(str(model_folder))).answer([ASKED], DRAWN, keys=[key_of(ASKED)])
    assert said == SpokenText(drawn.text, drawn.finish)
    assert "".join(pieces) == drawn.text
    assert len(pieces) > 5, "it came while it was written"


def test_two_responses_of_one_model_are_written_in_turns(model_folder: Path):
    """Each is what it is alone, and neither ends before the other has begun."""
    alone = [speak(model_folder, turns=user(text))[0] for text in ("One?", "Two?")]

    async def both() -> tuple[list[SpokenText], list[int]]:
        order: list[int] = []
        streamer = LocalStreamer(str(model_folder), Shelf(1e9), WorkInTurns())
        works = [
            streamer.speak(user(text), DRAWN, lambda piece, side=side: order.append(side))
            for side, text in enumerate(("One?", "Two?"))
        ]
        return await asyncio.gather(*works), order

    together, order = asyncio.run(both())
    assert together == alone
    assert order.index(1) < len(order) - 1 - order[::-1].index(0)


def test_a_response_that_is_stopped_draws_no_more_and_the_model_is_free(model_folder: Path):
    async def stopped() -> tuple[int, int]:
        pieces: list[str] = []
        shelf, turns, begun = Shelf(1e9), WorkInTurns(), asyncio.Event()
        streamer = LocalStreamer(str(model_folder), shelf, turns)

        def take(piece: str) -> None:
            pieces.append(piece)
            begun.set()

        long = Sampling(max_new_tokens=400, temperature=1.0, seed=3)
        task = asyncio.create_task(streamer.speak(user("Hi"), long, take))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await streamer.speak(user("Hi"), Sampling(max_new_tokens=1), lambda piece: None)
        return len(pieces), shelf._users[str(model_folder)]

    pieces, users = asyncio.run(stopped())
    assert pieces < 200 and users == 0


def test_the_length_is_bounded_and_said(model_folder: Path):
    said, _ = speak(model_folder, Sampling(max_new_tokens=2, temperature=1.0, seed=3))
    assert said.finish is Finish.LENGTH


def test_a_conversation_beyond_the_context_is_an_error_with_numbers(model_folder: Path):
    turns = (Message("user", "word " * 600),)
    with pytest.raises(DataError, match=r"the conversation has \d+ tokens, and the model reads 512"):
        speak(model_folder, turns=turns)
