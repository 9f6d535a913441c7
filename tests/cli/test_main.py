"""Every verb answers `-h` with an example that its own options read, and no help costs an import of torch."""

import shlex
import subprocess
import sys
from typing import Any

import typer

from truing.cli.help_zh import HELP
from truing.cli.main import app

from ..tables import each

GROUP: Any = typer.main.get_command(app)
GROUPS = {name: one for name, one in GROUP.commands.items() if hasattr(one, "commands")}
VERBS = {
    **{name: one for name, one in GROUP.commands.items() if name not in GROUPS},
    **{f"{group} {name}": one for group in GROUPS for name, one in GROUPS[group].commands.items()},
}
UNSAID = "annotate serve"  # `truing annotate PROMPTS` says no `serve`


def test_h_is_help_everywhere():
    assert GROUP.context_settings["help_option_names"] == ["-h", "--help"]


@each("verb", VERBS)
def test_the_example_of_a_verb_is_a_command_it_reads(verb: str):
    example = VERBS[verb].epilog.removeprefix("Example: `").removesuffix("`")
    said = verb.removesuffix(" serve") if verb == UNSAID else verb
    assert example.startswith(f"truing {said}")
    words = shlex.split(example)[1 + len(said.split()) :]
    VERBS[verb].make_context(verb, words)  # raises where an option or an argument is not one of its own


def test_the_help_of_every_verb_is_in_chinese_too():
    commands = [GROUP, *GROUPS.values(), *VERBS.values()]
    texts = [one.help for one in commands]
    texts += [parameter.help for one in commands for parameter in one.params if parameter.help]
    assert set(texts) - HELP.keys() == set()


def test_what_is_written_goes_to_output():
    """`--out` stays beside it where it was the name before."""
    flags = {option for one in VERBS.values() for parameter in one.params for option in (*parameter.opts,)}
    assert "--output" in flags
    for verb, one in VERBS.items():
        opts = [parameter.opts for parameter in one.params]
        assert all("--output" in names for names in opts if "--out" in names), verb


def test_help_does_not_import_torch():
    asks = "import sys, truing.cli.main; sys.exit(bool({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", asks], check=False).returncode == 0
