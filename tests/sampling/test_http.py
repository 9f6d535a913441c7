"""The HTTP sampler against stand-in servers, most of which misbehave."""

import dataclasses
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from truing.config.recipe import Lora
from truing.core.errors import ConfigError, DataError, ModelError, UsageError
from truing.kernels.fused import fuse
from truing.models.load import add_adapter
from truing.sampling import fleet, servers
from truing.sampling.completions import seed_of
from truing.sampling.http import HttpSampler
from truing.sampling.types import Finish, Sample, Sampling

from .stand_in import CLOSE, HANG, IDENTIFIERS, Answer, Fault, StandIn

COMPLETIONS = "/v1/completions"
PROMPTS = [[5, 3, 9], [7], [8, 8, 7, 6]]
DRAWN = Sampling(max_new_tokens=6, temperature=1.0, seed=1)
DOWN = Answer(500, {"error": {"message": "the engine died"}})
Start = Callable[..., StandIn]
Make = Callable[..., HttpSampler]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(fleet, "LOOK", 0.01)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts stand-ins, which end with the test."""
    started: list[StandIn] = []

    def start_one(**options) -> StandIn:
        started.append(StandIn(**options))
        return started[-1]

    yield start_one
    for server in started:
        server.close()


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(model_folder)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sampler(tokenizer, tmp_path: Path, said: list[str]) -> Make:
    """A sampler of these stand-ins."""

    def make(*stand_ins: StandIn, stop_ids: frozenset[int] = frozenset(), **options) -> HttpSampler:
        urls = [stand_in.url for stand_in in stand_ins]
        folder = tmp_path / "weights"
        return HttpSampler(urls, tokenizer, stop_ids=stop_ids, folder=folder, say=said.append, **options)

    return make


def adapted(model_folder: Path, *, scale: float = 1.0) -> PeftModel:
    """The tiny model with an adapter that acts, its layers fused as in training."""
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    model = add_adapter(base, Lora(r=4), dropout=False, seed=0, trained=torch.float32)
    assert isinstance(model, PeftModel)
    fuse(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=scale)
    return model.eval()


def always(fault: Fault, path: str = COMPLETIONS, *, after: int = 0) -> Callable[[str, int], Fault]:
    return lambda there, count: fault if there == path and count > after else None


def tokens(samples: list[Sample]) -> list[list[int]]:
    return [sample.tokens for sample in samples]


def expected(seed: int, count: int = 6) -> list[int]:
    """Return the response that a stand-in draws."""
    return random.Random(seed).choices(IDENTIFIERS, k=count)


# What is asked, and what is made of the answers


def test_everything_is_asked_for_in_token_ids(start: Start, sampler: Make) -> None:
    server = start()
    sampling = Sampling(
        max_new_tokens=5, repetition_penalty=1.1, temperature=0.7, top_k=9, top_p=0.9, min_p=0.1, stop=("§",)
    )
    sampler(server, stop_ids=frozenset({2, 1})).sample([[5, 3, 9]], sampling, step=4, keys=[17])
    assert server.asked()[-1] == {
        "model": "base",
        "prompt": [5, 3, 9],
        "max_tokens": 5,
        "seed": seed_of(0, 4, 17, 0),
        "temperature": 0.7,
        "top_k": 9,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "stop": ["§"],
        "stop_token_ids": [1, 2],
        "ignore_eos": True,
        "return_token_ids": True,
        "logprobs": 0,
    }


def test_siblings_stand_together_in_prompt_order(start: Start, sampler: Make, tokenizer) -> None:
    samples = sampler(start()).sample(PROMPTS, DRAWN, group_size=4, step=2)
    assert [(sample.prompt, sample.k) for sample in samples] == [(p, k) for p in range(3) for k in range(4)]
    for sample in samples:
        assert sample.tokens == expected(seed_of(1, 2, sample.prompt, sample.k))
        assert sample.logprobs == [-token / 100 for token in sample.tokens]
        assert sample.text == tokenizer.decode(sample.tokens, skip_special_tokens=True)
        assert sample.finish is Finish.LENGTH


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_number_of_servers_does_not_matter(start: Start, sampler: Make, count: int) -> None:
    alone = sampler(start()).sample(PROMPTS, DRAWN, group_size=4)
    assert sampler(*[start() for _ in range(count)]).sample(PROMPTS, DRAWN, group_size=4) == alone


def test_keys_make_a_part_of_the_prompts_equal_the_whole(start: Start, sampler: Make) -> None:
    drawing = sampler(start())
    whole = drawing.sample(PROMPTS, DRAWN, group_size=2)
    assert tokens(drawing.sample(PROMPTS[1:], DRAWN, group_size=2, keys=[1, 2])) == tokens(whole[2:])


def test_a_response_ends_where_the_local_sampler_would_end_it(start: Start, sampler: Make, tokenizer) -> None:
    """A server may run past a stop string by the tokens of a step; stop tokens stay out of the text."""
    ran = expected(seed_of(1, 0, 0, 0))
    text = tokenizer.decode(ran)
    until = tokenizer.decode(ran[:3])
    stop = tokenizer.decode(ran[2:3])[-1]
    sampling = dataclasses.replace(DRAWN, stop=(stop,))
    [sample] = sampler(start()).sample([[5]], sampling)
    assert sample.finish is Finish.STOP_STRING
    assert sample.text == text[: text.index(stop)]
    assert len(sample.tokens) <= 3 and len(sample.text) < len(until)
    [sample] = sampler(start(), stop_ids=frozenset({ran[3]})).sample([[5]], DRAWN)
    assert (sample.tokens, sample.finish) == (ran[:4], Finish.STOP)
    assert sample.text == tokenizer.decode(ran[:3])


def test_log_probabilities_can_be_left_out(start: Start, sampler: Make) -> None:
    server = start(processed=False)
    [sample] = sampler(server).sample([[5]], dataclasses.replace(DRAWN, logprobs=False, temperature=0.5))
    assert sample.logprobs == []
    assert [body["logprobs"] for body in server.asked()] == [None]


def test_progress_counts_responses(start: Start, sampler: Make) -> None:
    told: list[tuple[int, int]] = []
    progress = lambda done, total: told.append((done, total))  # noqa: E731
    sampler(start()).sample(PROMPTS, DRAWN, group_size=2, on_progress=progress)
    assert told == [(done, 6) for done in range(1, 7)]


def test_a_response_ends_where_the_smallest_context_ends(start: Start, sampler: Make) -> None:
    drawing = sampler(start(context=8), start(context=12))
    samples = drawing.sample([[5] * 6, [5]], DRAWN)
    assert [len(sample.tokens) for sample in samples] == [2, 6]
    with pytest.raises(DataError, match="prompt 1 has 9 tokens and the servers' context is 8"):
        drawing.sample([[5], [5] * 9], DRAWN)


def test_prompts_that_cannot_be_answered(start: Start, sampler: Make) -> None:
    drawing = sampler(start())
    with pytest.raises(DataError, match="prompt 1 is empty"):
        drawing.sample([[1], []], DRAWN)
    with pytest.raises(UsageError, match="group_size is 0"):
        drawing.sample([[1]], DRAWN, group_size=0)
    assert drawing.sample([], DRAWN) == []


# Servers that are not what is needed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda choice: {"text": "hello", "finish_reason": "length"}, "returned no token ids"),
        (lambda choice: choice | {"logprobs": None}, "0 log-probabilities for 6 tokens"),
        (
            lambda choice: choice | {"logprobs": {"token_logprobs": [-1.0] * 5 + [None]}},
            "5 log-probabilities for 6",
        ),
        (lambda choice: choice | {"logprobs": {"token_logprobs": [7.5] * 6}}, "7.5 as a log-probability"),
        (lambda choice: choice | {"finish_reason": "stop"}, "which is no stop token"),
    ],
)
def test_a_server_that_answers_something_else(start: Start, sampler: Make, change, message: str) -> None:
    server = start(change=change)
    with pytest.raises(UsageError, match=message) as caught:
        sampler(server).sample(PROMPTS, DRAWN)
    assert server.url in str(caught.value) and caught.value.hint


@pytest.mark.parametrize("choices", [[], [{}, {}], None])
def test_a_wrong_number_of_choices(start: Start, sampler: Make, choices) -> None:
    server = start(fault=always(Answer(200, {"choices": choices})))
    with pytest.raises(ModelError, match="choices for one response"):
        sampler(server).sample([[5]], DRAWN)


def test_what_a_server_refuses_is_told(start: Start, sampler: Make) -> None:
    server = start(fault=always(Answer(400, {"error": {"message": "temperature must be in [0, 2]"}})))
    with pytest.raises(ModelError, match=r"HTTP 400: temperature must be in \[0, 2\]"):
        sampler(server).sample([[5]], DRAWN)
    assert len(server.asked()) == 1


def test_a_model_that_is_not_served(start: Start, sampler: Make) -> None:
    with pytest.raises(ConfigError, match="does not serve 'other', but base"):
        sampler(start(), model="other").sample([[5]], DRAWN)
    assert len(sampler(start(), model="base").sample([[5]], DRAWN)) == 1


CHANGED = [{"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.1}, {"repetition_penalty": 1.2}]


@pytest.mark.parametrize("change", CHANGED)
def test_log_probabilities_of_another_distribution_are_refused(start: Start, sampler: Make, change) -> None:
    raw, processed = start(processed=False), start()
    with pytest.raises(ConfigError, match="from before temperature and filters") as caught:
        sampler(raw).sample([[5]], dataclasses.replace(DRAWN, **change))
    assert "--logprobs-mode processed_logprobs" in caught.value.hint
    drawing = sampler(processed)
    for _ in range(2):
        drawing.sample([[5]], dataclasses.replace(DRAWN, **change))
    assert [body["logprobs"] for body in processed.asked()] == [5, 0, 0]


@pytest.mark.parametrize("change", [{}, {"temperature": 0.0}, {"temperature": 0.0, "top_k": 5}])
def test_raw_log_probabilities_serve_where_nothing_is_changed(start: Start, sampler: Make, change) -> None:
    server = start(processed=False)
    assert sampler(server).sample([[5]], dataclasses.replace(DRAWN, **change))[0].logprobs
    assert [body["logprobs"] for body in server.asked()] == [0]


def test_servers_must_be_named(tokenizer, tmp_path: Path) -> None:
    for urls, message in [
        ([], "no server is given"),
        (["localhost:8000"], "'localhost:8000' is no server"),
        (["http://a:1", "http://a:1/v1/"], "http://a:1 is given twice"),
    ]:
        with pytest.raises(ConfigError, match=message):
            HttpSampler(urls, tokenizer, stop_ids=frozenset(), folder=tmp_path)


def test_a_key_is_sent_from_the_environment(start: Start, sampler: Make, monkeypatch) -> None:
    server = start()
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    sampler(server).sample([[5]], DRAWN)
    assert {key for _, _, key in server.received} == {"Bearer secret"}
    asking = start(fault=always(Answer(401, {"error": "Unauthorized"}), "/v1/models"))
    with pytest.raises(ConfigError, match="asks for a key") as caught:
        sampler(asking).sample([[5]], DRAWN)
    assert "VLLM_API_KEY" in caught.value.hint


# Several servers, and what befalls them


def test_work_is_shared_and_siblings_stay_together(start: Start, sampler: Make) -> None:
    both = [start(), start()]
    sampler(*both).sample([[5], [6], [7], [8]], DRAWN, group_size=8)
    counts = [dict.fromkeys((5, 6, 7, 8), 0) for _ in both]
    for count, server in zip(counts, both, strict=True):
        for body in server.asked():
            count[body["prompt"][0]] += 1
    assert sum(map(sum, (count.values() for count in counts))) == 32
    # All are asked at once, so that neither server has time to help the other.
    assert counts == [{5: 8, 6: 0, 7: 8, 8: 0}, {5: 0, 6: 8, 7: 0, 8: 8}]


def test_requests_that_fail_in_passing_are_sent_again(start: Start, sampler: Make, said) -> None:
    """Too busy, a broken connection, an error of a proxy: nobody has to hear of it."""
    faults: dict[int, Fault] = {
        1: Answer(429, headers={"Retry-After": "0"}),
        2: CLOSE,
        3: Answer(502, "<html>Bad gateway</html>"),
        4: DOWN,
    }
    server = start(fault=lambda path, count: faults.get(count) if path == COMPLETIONS else None)
    [sample] = sampler(server).sample([[5]], DRAWN)
    assert sample.tokens == expected(seed_of(1, 0, 0, 0))
    assert len(server.asked()) == 5
    assert said == []


def test_a_server_may_ask_for_a_longer_pause(start: Start, sampler: Make) -> None:
    faults = {1: Answer(429, headers={"Retry-After": "1"})}
    server = start(fault=lambda path, count: faults.get(count) if path == COMPLETIONS else None)
    begun = time.monotonic()
    sampler(server).sample([[5]], DRAWN)
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize(
    ("fault", "reason"), [(DOWN, "HTTP 500: the engine died"), (CLOSE, "(RemoteProtocol|Read)Error")]
)
@pytest.mark.parametrize("after", [0, 3])
def test_the_others_take_the_work_of_a_dead_server(
    start: Start, sampler: Make, said, fault: Fault, reason: str, after: int
) -> None:
    alone = sampler(start()).sample(PROMPTS, DRAWN, group_size=4)
    dying, healthy = start(fault=always(fault, after=after)), start()
    drawing = sampler(dying, healthy)
    assert drawing.sample(PROMPTS, DRAWN, group_size=4) == alone
    [line] = said
    assert re.match(f"{dying.url} is left out until it is well again: {reason}", line)
    assert len(drawing.sample(PROMPTS, DRAWN, group_size=4, step=9)) == 12
    later = {seed_of(1, 9, prompt, k) for prompt in range(3) for k in range(4)}
    assert not later & {body["seed"] for body in dying.asked() if body}, (
        "a server that is left out is not asked"
    )
    assert later <= {body["seed"] for body in healthy.asked()}


def test_a_server_that_hangs_is_left_out(start: Start, sampler: Make, said) -> None:
    hanging, healthy = start(fault=always(HANG, after=2)), start()
    samples = sampler(hanging, healthy, timeout=1.0).sample(PROMPTS, DRAWN, group_size=4)
    assert len(samples) == 12
    assert said == [f"{hanging.url} is left out until it is well again: no answer within 1 s"]


def test_a_server_that_was_never_there(start: Start, sampler: Make, said) -> None:
    gone = start()
    gone.close()
    assert len(sampler(gone, start()).sample(PROMPTS, DRAWN)) == 3
    assert len(said) == 1 and gone.url in said[0]


def test_an_answer_broken_off_by_the_server_goes_to_another(start: Start, sampler: Make, said) -> None:
    """vLLM ends what is under way with "abort" when it is paused or stopped."""
    stopping = start(change=lambda choice: choice | {"finish_reason": "abort"})
    assert len(sampler(stopping, start()).sample(PROMPTS, DRAWN)) == 3
    assert "'abort'" in said[0]


def test_when_none_is_left_all_are_named_with_their_reasons(start: Start, sampler: Make) -> None:
    first, second = start(fault=always(DOWN, after=2)), start(fault=always(HANG))
    with pytest.raises(ModelError, match="no server is left") as caught:
        sampler(first, second, timeout=1.0).sample(PROMPTS, DRAWN, group_size=4)
    assert f"{first.url}: HTTP 500: the engine died" in str(caught.value)
    assert f"{second.url}: no answer within 1 s" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a terminal: a shell starts what it runs in the background with it switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_requests_that_are_under_way(start: Start, sampler: Make, ctrl_c: None) -> None:
    server = start(fault=always(HANG))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sampler(server).sample(PROMPTS, DRAWN)
    assert time.monotonic() - begun < 10


# New weights


def test_an_adapter_is_loaded_under_a_new_name_at_every_step(
    start: Start, sampler: Make, said: list[str], model_folder: Path, tmp_path: Path
) -> None:
    both = [start(), start()]
    drawing = sampler(*both)
    assert drawing.version == 0
    model = adapted(model_folder)
    names = []
    for step in (3, 4):
        drawing.refresh(model, step)
        assert drawing.version == step
        assert both[0].adapters == both[1].adapters, said
        [(name, path)] = both[0].adapters.items()
        assert [folder.name for folder in (tmp_path / "weights").iterdir()] == [Path(path).name]
        before = [len(server.asked()) for server in both]
        drawing.sample([[5], [6]], DRAWN)
        asked = [body for server, count in zip(both, before, strict=True) for body in server.asked()[count:]]
        assert {body["model"] for body in asked} == {name}
        names.append(name)
    assert names[0] != names[1]


def test_a_fused_adapter_is_written_as_peft_reads_it(start: Start, sampler: Make, model_folder: Path) -> None:
    model = adapted(model_folder)
    server = start()
    sampler(server).refresh(model, 1)
    [path] = server.adapters.values()
    assert Path(path).is_absolute()
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    ids = torch.tensor([PROMPTS[0]])
    with torch.no_grad():
        plain = base(input_ids=ids).logits
        again = PeftModel.from_pretrained(base, path).eval()(input_ids=ids).logits
        ours = model(input_ids=ids).logits
    torch.testing.assert_close(again, ours, atol=1e-5, rtol=1e-5)
    assert (again - plain).abs().max() > 0.1


def test_a_model_without_adapter_replaces_the_weights(
    start: Start, sampler: Make, model_folder: Path
) -> None:
    server = start()
    drawing = sampler(server)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    drawing.refresh(model, 2)
    [path] = server.reloaded
    written = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    torch.testing.assert_close(written.lm_head.weight, model.lm_head.weight)
    assert [there for there, _, _ in server.received][-2:] == [
        "/reset_prefix_cache",
        "/update_weight_version",
    ]
    drawing.sample([[5]], DRAWN)
    assert server.asked()[-1]["model"] == "base"
    assert drawing.version == 2


def test_a_tied_head_is_not_replaced_on_a_cpu(start: Start, sampler: Make, model_folder: Path) -> None:
    """vLLM would answer that it did, and go on with the head that it packed when it started."""
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    sampler(start(device="cpu")).refresh(model, 1)
    model.lm_head.weight = model.model.embed_tokens.weight
    sampler(start(device="cuda")).refresh(model, 1)
    server = start(device="cpu")
    with pytest.raises(ConfigError, match="runs on a CPU, where vLLM keeps the old output head"):
        sampler(server).refresh(model, 1)
    assert server.reloaded == []


def test_without_lora_on_any_server_its_own_words_are_told(
    start: Start, sampler: Make, model_folder: Path
) -> None:
    words = "Worker failed with error 'LoRA is not enabled. Use --enable-lora to enable LoRA.'"
    server = start(fault=always(Answer(500, {"error": {"message": words}}), "/v1/load_lora_adapter"))
    with pytest.raises(ModelError, match="Use --enable-lora"):
        sampler(server).refresh(adapted(model_folder), 1)


def test_a_server_that_is_left_out_comes_back_with_the_next_weights(
    start: Start, sampler: Make, said, model_folder: Path
) -> None:
    broken = {"now": True}
    flaky, healthy = start(fault=lambda path, count: DOWN if broken["now"] else None), start()
    drawing = sampler(flaky, healthy)
    model = adapted(model_folder)
    drawing.refresh(model, 1)
    assert len(said) == 1 and flaky.adapters == {}
    broken["now"] = False
    time.sleep(0.05)
    drawing.refresh(model, 2)
    assert drawing.version == 2
    assert flaky.adapters == healthy.adapters and len(flaky.adapters) == 1
    drawing.sample(PROMPTS, DRAWN, group_size=4)
    assert flaky.asked() and healthy.asked()


def test_a_server_that_restarted_is_not_taken_for_one_with_the_newest_weights(
    start: Start, sampler: Make, said, model_folder: Path
) -> None:
    restarted, healthy = start(), start()
    drawing = sampler(restarted, healthy)
    model = adapted(model_folder)
    drawing.refresh(model, 1)
    restarted.adapters.clear()
    assert len(drawing.sample(PROMPTS, DRAWN, group_size=2)) == 6
    assert "does not exist" in said[0]
    time.sleep(0.05)
    drawing.refresh(model, 2)
    assert restarted.adapters == healthy.adapters


@pytest.mark.parametrize(
    ("path", "hint"),
    [("/v1/load_lora_adapter", "--enable-lora"), ("/collective_rpc", "VLLM_SERVER_DEV_MODE=1")],
)
def test_a_server_that_cannot_take_weights(
    start: Start, sampler: Make, model_folder: Path, path: str, hint: str
) -> None:
    server = start(fault=always(Answer(404, {"detail": "Not Found"}), path))
    whole = path == "/collective_rpc"
    model = AutoModelForCausalLM.from_pretrained(model_folder) if whole else adapted(model_folder)
    drawing = sampler(server)
    with pytest.raises(ConfigError, match="while it runs") as caught:
        drawing.refresh(model, 1)
    assert hint in caught.value.hint
    assert drawing.version == 0


def test_a_folder_that_a_server_does_not_see(start: Start, sampler: Make, model_folder: Path) -> None:
    answer = Answer(404, {"error": {"message": "No adapter found for /there"}})
    with pytest.raises(ConfigError, match="No adapter found") as caught:
        sampler(start(fault=always(answer, "/v1/load_lora_adapter"))).refresh(adapted(model_folder), 1)
    assert "same path" in caught.value.hint


def test_what_others_put_beside_the_weights_stays(
    start: Start, sampler: Make, model_folder: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "weights" / "step-notes"
    theirs.mkdir(parents=True)
    sampler(start()).refresh(adapted(model_folder), 1)
    assert theirs.is_dir()


# Servers come and go


def test_every_sample_names_the_step_of_its_weights(start: Start, sampler: Make, model_folder: Path) -> None:
    drawing = sampler(start(), start())
    assert {sample.version for sample in drawing.sample(PROMPTS, DRAWN)} == {0}
    drawing.refresh(adapted(model_folder), 7)
    assert {sample.version for sample in drawing.sample(PROMPTS, DRAWN)} == {7}


def test_a_server_that_comes_back_has_the_newest_weights_before_it_draws(
    start: Start, sampler: Make, said, model_folder: Path
) -> None:
    """It dies in the middle of a step and comes back, empty, in the middle of the next."""
    dead = {"now": False}
    slow = {"server": 0.0}

    def fault(path: str, count: int) -> Fault:
        return CLOSE if dead["now"] else None

    def dragging(choice):
        time.sleep(slow["server"])
        return choice

    coming, steady = start(fault=fault), start(change=dragging)
    drawing = sampler(coming, steady)
    drawing.refresh(adapted(model_folder), 1)
    dead["now"] = True
    assert len(drawing.sample(PROMPTS, DRAWN, group_size=4, step=1)) == 12
    coming.adapters.clear()
    drawing.refresh(adapted(model_folder), 2)
    assert coming.adapters == {} and said == [said[0]]
    slow["server"], before = 0.05, len(coming.received)
    threading.Timer(0.1, dead.update, [{"now": False}]).start()
    samples = drawing.sample([[n] for n in range(3, 300)], DRAWN, group_size=2, step=2)
    assert len(samples) == 594 and {sample.version for sample in samples} == {2}
    [(name, _)] = steady.adapters.items()
    own = [(path, body) for path, body, _ in coming.received[before:] if path.startswith("/v1/")]
    loaded = [path for path, _ in own].index("/v1/load_lora_adapter")
    drawn = [place for place, (path, _) in enumerate(own) if path == COMPLETIONS]
    assert own[loaded][1]["lora_name"] == name and len(drawn) > 2
    answered = [place for place in drawn if place > loaded]
    assert answered == drawn and {own[place][1]["model"] for place in drawn} == {name}
    assert said[1:] == [f"{coming.url} is in use"]
    everything = [body["seed"] for server in (coming, steady) for body in server.asked() if body]
    ours = {seed_of(1, 2, place, k) for place in range(297) for k in range(2)}
    assert sorted(seed for seed in everything if seed in ours) == sorted(ours), "each is drawn once"


def test_a_server_that_is_added_to_the_file_draws_with_the_newest_weights(
    start: Start, sampler: Make, said, model_folder: Path, tmp_path: Path
) -> None:
    first, added = start(), start()
    path = tmp_path / "servers.txt"
    path.write_text(f"{first.url}\n")
    drawing = sampler(listed=path)
    drawing.refresh(adapted(model_folder), 1)
    path.write_text(f"{first.url}\n{added.url}\n")
    drawing.refresh(adapted(model_folder), 2)
    assert said == [f"{added.url} is in use"] and added.adapters == first.adapters
    drawing.sample([[5], [6]], DRAWN, step=2)
    assert len(added.asked()) == 1
    path.write_text(f"{added.url}\n")
    before = len(first.received)
    drawing.refresh(adapted(model_folder), 3)
    drawing.sample([[5], [6]], DRAWN, step=3)
    assert len(first.received) == before and len(added.asked()) == 3


def test_a_server_with_too_small_a_context_does_not_join(
    start: Start, sampler: Make, said, tmp_path: Path
) -> None:
    """Its responses would end where those of the others go on."""
    first, small = start(), start(context=8)
    path = tmp_path / "servers.txt"
    path.write_text(f"{first.url}\n")
    drawing = sampler(listed=path)
    drawing.sample([[5]], DRAWN)
    path.write_text(f"{first.url}\n{small.url}\n")
    time.sleep(0.02)
    drawing.sample([[n] for n in range(3, 300)], DRAWN)
    assert small.asked() == []
    reason = "its context is 8 tokens, and responses are drawn for 64"
    assert said == [f"{small.url} is left out until it is well again: {reason}"]


def test_an_adapter_that_was_loaded_although_its_answer_was_lost(
    start: Start, sampler: Make, said, model_folder: Path
) -> None:
    words = "The lora adapter 'truing-step-1' has already been loaded. If you want …"
    answer = Answer(400, {"error": {"message": words}})
    faults = {1: CLOSE, 2: answer}
    server = start(fault=lambda path, count: faults.get(count) if path == "/v1/load_lora_adapter" else None)
    drawing = sampler(server)
    drawing.refresh(adapted(model_folder), 1)
    assert drawing.version == 1 and said == []


@pytest.mark.parametrize(("lag", "goes_on"), [(0, False), (1, True)])
def test_a_server_that_takes_no_new_weights_goes_on_while_they_are_not_too_old(
    start: Start, sampler: Make, said, model_folder: Path, lag: int, goes_on: bool
) -> None:
    behind, newest = start(fault=always(DOWN, "/v1/load_lora_adapter", after=1)), start()
    drawing = sampler(behind, newest, lag=lag)
    model = adapted(model_folder)
    drawing.refresh(model, 1)
    drawing.refresh(model, 2)
    samples = drawing.sample([[5], [6]], DRAWN, step=2)
    assert [sample.version for sample in samples] == ([1, 2] if goes_on else [2, 2])
    words = "goes on with the weights of step 1" if goes_on else "is left out until it is well again"
    assert said == [f"{behind.url} {words}: HTTP 500: the engine died"]
    if goes_on:
        [(_, path)] = behind.adapters.items()
        assert Path(path).is_dir(), "a server may read its adapter again"
    drawing.refresh(model, 3)
    assert {sample.version for sample in drawing.sample([[5], [6]], DRAWN, step=3)} == {3}


def test_a_server_that_lost_whole_weights_gets_them_before_it_draws(
    start: Start, sampler: Make, said, model_folder: Path
) -> None:
    """Its name is the same after a restart, and it would draw from the weights it was started with."""
    server = start()
    drawing = sampler(server)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    drawing.refresh(model, 2)
    server.stamp = "default"
    assert drawing.sample([[5]], DRAWN, step=2)[0].version == 2
    assert len(server.reloaded) == 2 and server.reloaded[0] == server.reloaded[1]
    lost = "it has lost the weights of step 2: it was started anew"
    assert said == [
        f"{server.url} is left out until it is well again: {lost}",
        f"{server.url} is in use",
    ]


def test_a_restart_between_two_tries_of_one_request_is_noticed(
    start: Start, sampler: Make, said, model_folder: Path
) -> None:
    restarted = {"stamp": False}

    def fault(path: str, count: int) -> Fault:
        if path == COMPLETIONS and count == 1:
            restarted["stamp"] = True
            server.stamp = "default"
            return CLOSE
        return None

    server = start(fault=fault)
    drawing = sampler(server)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    drawing.refresh(model, 2)
    assert len(drawing.sample([[5]], DRAWN, step=2)) == 1
    assert len(server.reloaded) == 2 and "it has lost the weights of step 2" in said[0]
