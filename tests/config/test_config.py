import json
from pathlib import Path

import pytest

from truing.config.config import load_recipe
from truing.config.documents import MAX_ALIASES, MAX_BYTES, Origin, parse_json, parse_yaml
from truing.core.errors import ConfigError, UsageError

from ..tables import each

MINIMAL = "method: dpo\npolicy: model\ndata: {train: [pairs.jsonl]}\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a recipe into the working directory and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "recipe.yaml") -> str:
        Path(name).write_text(text, encoding="utf-8")
        return name

    return write


def objections(name: str, overrides: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_recipe(name, overrides)
    return str(caught.value).splitlines()


def test_an_unknown_key_is_told_with_its_line_and_the_nearest_name(write):
    name = write(MINIMAL + "optim:\n  epochs: 2\n\n  learnng_rate: 1e-5\n")
    assert objections(name) == [
        "recipe.yaml:7: unknown key 'learnng_rate' in optim; did you mean 'learning_rate'?"
    ]


def test_an_unknown_key_that_belongs_to_a_section_is_sent_there(write):
    name = write(MINIMAL + "learning_rate: 1e-5\n")
    assert objections(name) == [
        "recipe.yaml:4: unknown key 'learning_rate'; did you mean 'optim.learning_rate'?"
    ]


def test_an_unknown_key_like_no_other_lists_the_known_ones(write):
    name = write(MINIMAL + "checkpoint: {xyzzy: 1}\n")
    assert objections(name) == [
        "recipe.yaml:4: unknown key 'xyzzy' in checkpoint; known keys are every, keep"
    ]


def test_a_wrong_type_is_told_with_its_line_and_what_was_expected(write):
    name = write(MINIMAL + "optim:\n  learning_rate: fast\n")
    assert objections(name) == ["recipe.yaml:5: optim.learning_rate is 'fast': expected a number"]


def test_several_errors_are_listed_together_in_the_order_of_the_file(write):
    name = write(
        "policy: 3\ndata: {train: []}\ndtype: half\nseed: true\nlora: {targets: 3}\ntop_layers: 2\nlorra: 1\n"
    )
    assert objections(name) == [
        "recipe.yaml:1: method is missing: How to train: sft, dpo, kto, reward, ppo, grpo …",
        "recipe.yaml:1: policy is 3: expected text (in quotes, if it looks like a number)",
        "recipe.yaml:2: data.train is a list: expected a list of at least 1",
        "recipe.yaml:3: dtype is 'half': expected 'auto', 'float32' or 'bfloat16'",
        "recipe.yaml:4: seed is true: expected a number",
        "recipe.yaml:5: lora.targets is 3: expected text (in quotes, if it looks like a number) or a list",
        "recipe.yaml:7: unknown key 'lorra'; did you mean 'lora'?",
    ]


def test_a_contradiction_between_sections_is_told_with_its_line(write):
    name = write(MINIMAL + "lora: {}\ntop_layers: 2\n")
    (line,) = objections(name)
    assert line == "recipe.yaml:5: top_layers is 2: cannot be combined with lora; keep one of the two"


@pytest.mark.parametrize("text", ["1e-5", "1E-5", "0.00001", "1.e-5", "+1e-05", "'1e-5'"])
def test_scientific_notation_is_a_number(write, text: str):
    assert (
        load_recipe(write(MINIMAL + f"optim: {{learning_rate: {text}}}\n")).recipe.optim.learning_rate == 1e-5
    )


@pytest.mark.parametrize("word", ["no", "off", "yes", "on", "y"])
def test_no_and_its_kin_stay_text_where_text_is_asked_for(write, word: str):
    assert load_recipe(write(MINIMAL + f"output: {word}\nloss: {{mode: {word}}}\n")).recipe.output == word


@pytest.mark.parametrize(("word", "value"), [("no", False), ("off", False), ("yes", True), ("true", True)])
def test_no_and_its_kin_are_accepted_where_a_boolean_is_asked_for(write, word: str, value: bool):
    loaded = load_recipe(write(MINIMAL + f"activation_checkpointing: {word}\n"))
    assert loaded.recipe.activation_checkpointing is value


@each(
    ("text", "value"),
    [
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("'5'", "5"),
        ("1_000", "1_000"),
        ("v1e5", "v1e5"),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object):
    found = parse_yaml(text, Origin("recipe.yaml", 1)).plain()
    assert found == value
    assert type(found) is type(value)


def test_a_duplicate_yaml_key_is_told_with_both_lines(write):
    name = write(MINIMAL + "loss:\n  beta: 0.1\n  name: dpo\n  beta: 0.5\n")
    assert objections(name) == ["recipe.yaml:7: the key 'beta' is given twice; first at recipe.yaml:5"]


def test_a_duplicate_json_key_is_told_with_both_lines(write):
    name = write('{\n "method": "dpo",\n "loss": {\n  "beta": 1,\n  "beta": 2}}\n', "recipe.json")
    assert objections(name) == ["recipe.json:5: the key 'beta' is given twice; first at recipe.json:4"]


def test_a_json_recipe_loads_with_lines(write):
    content = {"method": "dpo", "policy": 'a "b" {c} \\ é 😀', "data": {"train": ["x", "y"], "eval": []}}
    name = write(json.dumps(content, indent="\t"), "recipe.json")
    loaded = load_recipe(name)
    assert loaded.recipe.policy == content["policy"]
    assert loaded.recipe.data.train == ("x", "y")
    assert str(loaded.provenance["data.train"]) == "recipe.json:5"


@each(
    "content",
    [{}, [], [[], {}, [1, [2, {"a": [None, True, -1.5e-7, "]"]}]]], {"": {"b": [{}, {"c": ""}]}}, "{", 3],
)
@each("indent", [None, 1])
def test_json_means_what_the_standard_reader_says(content: object, indent: int | None):
    assert parse_json(json.dumps(content, indent=indent), Origin("a.json", 1)).plain() == content


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"seed":\n NaN}', "recipe.json:2: NaN is not JSON"),
        ("[" * 100_000, "recipe.json:1: nested deeper than 32 levels"),
    ],
)
def test_json_that_a_recipe_may_not_hold_is_told_with_its_line(write, text: str, problem: str):
    (line,) = objections(write(text, "recipe.json"))
    assert line.startswith(problem)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"method": "dpo",\n "seed" 3}', "recipe.json:2: "),
        ('{"a": "', "recipe.json:1: "),
        ("]", "recipe.json:1: "),
        ('{"seed": ' + "9" * 5000 + "}", "recipe.json:1: "),
    ],
)
def test_broken_json_is_told_with_its_line_in_the_words_of_the_standard_reader(write, text: str, place: str):
    with pytest.raises(ValueError) as said:
        json.loads(text)
    words = getattr(said.value, "msg", str(said.value))
    (line,) = objections(write(text, "recipe.json"))
    assert line.startswith(place + words.partition(" (")[0])


def test_billion_laughs_are_refused(write):
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    (line,) = objections(write("a0: &a0 lol\n" + "\n".join(levels)))
    assert line == f"recipe.yaml:4: more than {MAX_ALIASES} aliases"


def test_a_few_aliases_are_fine(write):
    assert load_recipe(write(MINIMAL + "loss: {a: &x 0.5, b: *x}\n")).recipe.loss.hyper == {
        "a": 0.5,
        "b": 0.5,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &a [*a]", "recipe.yaml:1: an alias refers to itself"),
        ("a: " + "[" * 500_000, "recipe.yaml:1: nested deeper than 32 levels"),
        (
            "\nrun: !!python/object/apply:os.system ['true']",
            "recipe.yaml:2: the tag 'tag:yaml.org,2002:python/",
        ),
        ("seed: !!int 3", "recipe.yaml:1: the tag"),
        ("a: 1\n---\nb: 2", "recipe.yaml:2: but found another document"),
        ("a: [1\nb: 2", "recipe.yaml:2: expected ',' or ']'"),
        ("a: *nowhere", "recipe.yaml:1: found undefined alias"),
        ("a: 1\nb: \x01", "recipe.yaml:2: special characters are not allowed"),
        ("? [a]\n: 1", "recipe.yaml:1: a key is text, not a sequence"),
    ],
)
def test_dangerous_or_broken_yaml_is_told_with_its_line(write, text: str, problem: str):
    (line,) = objections(write(text))
    assert line.startswith(problem)


def test_merge_keys_are_not_known(write):
    assert objections(write(MINIMAL + "<<: {seed: 1}\n"))[0].startswith("recipe.yaml:4: unknown key '<<'")


def test_files_that_are_no_recipe_are_told_apart(write, tmp_path: Path):
    assert objections("absent.yaml") == ["absent.yaml does not exist"]
    assert objections(write("# only a comment\n")) == ["recipe.yaml is empty"]
    assert objections(write("", "recipe.json")) == ["recipe.json is empty"]
    assert objections(write("- method: dpo\n")) == [
        "recipe.yaml:1: a recipe is a mapping of keys, this is a list"
    ]
    assert objections(write("dpo")) == ["recipe.yaml:1: a recipe is a mapping of keys, this is 'dpo'"]
    assert objections(write("x", "recipe.txt")) == [
        "recipe.txt: expected a name that ends in .yaml, .yml or .json"
    ]
    (tmp_path / "folder.yaml").mkdir()
    assert objections("folder.yaml") == ["folder.yaml is a folder; expected the file of a recipe"]
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    assert objections("latin.yaml") == ["latin.yaml:2: not valid UTF-8"]
    assert "at most" in objections(write(" " * (MAX_BYTES + 1)))[0]


def test_a_byte_order_mark_is_ignored(write):
    assert load_recipe(write("\ufeff" + MINIMAL)).recipe.method == "dpo"


def test_set_replaces_and_adds_values_read_as_yaml(write):
    overrides = (
        "optim.learning_rate=1e-6",
        "lora.r=8",
        "loss.beta=0.2",
        "data.train=[a.jsonl, b.jsonl]",
        "output=runs/a=b",
        "reference=",
    )
    recipe = load_recipe(
        write(MINIMAL + "reference: other\nloss: {beta: 0.1, name: ipo}\nlora:\n"), overrides
    ).recipe
    assert recipe.optim.learning_rate == 1e-6
    assert recipe.lora is not None
    assert recipe.lora.r == 8
    assert recipe.loss.hyper == {"beta": 0.2}
    assert recipe.loss.name == "ipo"
    assert recipe.data.train == ("a.jsonl", "b.jsonl")
    assert recipe.output == "runs/a=b"
    assert recipe.reference is None


def test_a_later_set_wins(write):
    assert load_recipe(write(MINIMAL), ["seed=1", "seed=2"]).recipe.seed == 2


def test_set_is_named_by_what_is_wrong_with_it(write):
    name = write(MINIMAL)
    unknown = ["--set: unknown key 'learnng_rate' in optim; did you mean 'learning_rate'?"]
    assert objections(name, ("optim.learnng_rate=1e-6",)) == unknown
    assert objections(name, ("optm.learning_rate=1",)) == ["--set: unknown key 'optm'; did you mean 'optim'?"]
    assert objections(name, ("seed=x",)) == ["--set: seed is 'x': expected a whole number"]
    assert objections(name, ("policy.x=1",))[0].startswith("--set: policy is a mapping: expected text")
    assert objections(name, ("loss={a: 1, a: 2}",))[0].startswith("--set: the key 'a' is given twice")


@pytest.mark.parametrize("override", ["seed", "=1", "optim.=1", ".seed=1", ""])
def test_set_without_key_or_value_is_a_usage_error(write, override: str):
    with pytest.raises(UsageError, match="expected key=value"):
        load_recipe(write(MINIMAL), [override])


def test_every_leaf_says_where_it_came_from(write):
    loaded = load_recipe(write(MINIMAL + "loss:\n  beta: 0.1\noptim: {epochs: 2}\n"), ["optim.epochs=3"])
    origins = {key: str(origin) for key, origin in loaded.provenance.items()}
    assert origins["method"] == "recipe.yaml:1"
    assert origins["data.train"] == "recipe.yaml:3"
    assert origins["loss.beta"] == "recipe.yaml:5"
    assert origins["optim.epochs"] == "--set"
    assert origins["optim.learning_rate"] == "default"
    assert origins["lora"] == "default"
    assert loaded.base == Path()


def test_the_description_shows_origins_and_loads_to_the_same_recipe(write):
    text = MINIMAL + "lora: {targets: [a, b]}\nloss: {beta: 0.1}\noptim: {eps: 1e-12}\noutput: 'x: #y'\n"
    loaded = load_recipe(write(text), ["seed=7"])
    described = loaded.describe()
    lines = [line.split() for line in described.splitlines()]
    assert ["seed:", "7", "#", "--set"] in lines
    assert ["beta:", "0.1", "#", "recipe.yaml:5"] in lines
    assert ["keep:", "2", "#", "default"] in lines
    assert load_recipe(write(described, "again.yaml")).recipe == loaded.recipe


def test_paths_stay_as_written(write, tmp_path: Path):
    (tmp_path / "sub").mkdir()
    loaded = load_recipe(write(MINIMAL, "sub/recipe.yaml"))
    assert loaded.recipe.data.train == ("pairs.jsonl",)
    assert loaded.base == Path("sub")


def test_a_key_of_another_toolkit_is_told_with_ours(write):
    name = write(MINIMAL + "lr: 1e-5\nload_in_4bit: true\noptim: {num_train_epochs: 3}\n")
    assert objections(name) == [
        "recipe.yaml:4: unknown key 'lr'; it is optim.learning_rate here",
        "recipe.yaml:5: unknown key 'load_in_4bit'; it has no counterpart here: "
        "weights are not quantised; take a smaller model or fewer tokens_per_pass",
        "recipe.yaml:6: unknown key 'num_train_epochs' in optim; it is optim.epochs here",
    ]
