"""Nothing that a recipe names runs before somebody has accepted its file."""

import sys
from pathlib import Path

import pytest

from truing.config import trust
from truing.config.imports import load_function
from truing.config.names import require_losses, require_tasks
from truing.core.errors import ConfigError
from truing.rewards.names import require_reward

RUNS = "from pathlib import Path\nPath('ran').touch()\n\ndef one(text):\n    return 1.0\n"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A working directory with `stranger.py`, which leaves a file when it is imported; nobody trusts it."""
    (tmp_path / "stranger.py").write_text(RUNS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trust, "_consent", trust._Consent())
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("stranger")]:
        del sys.modules[name]


def ran() -> bool:
    return Path("ran").exists()


@pytest.mark.parametrize(
    "ask",
    [
        load_function,
        lambda name: require_losses("dpo", [name]),
        lambda name: require_tasks([name]),
        require_reward,
    ],
)
def test_code_that_nobody_has_accepted_is_not_imported(ask, folder):
    with pytest.raises(ConfigError, match="nobody has accepted") as refused:
        ask("stranger:one")
    assert str(folder / "stranger.py") in str(refused.value)
    assert "--trust-code" in refused.value.hint
    assert not ran()


@pytest.mark.parametrize("name", ["os:system", "subprocess:run", "os.path:join", "builtins:eval"])
def test_pythons_own_modules_are_refused_whatever_is_trusted(name):
    trust.trust_all()
    with pytest.raises(ConfigError, match="a module of Python itself"):
        load_function(name)


def test_trusted_code_runs():
    trust.trust_all()
    assert load_function("stranger:one")("") == 1.0
    assert ran()


def test_a_yes_is_asked_once_and_remembered_by_the_files_hash(folder):
    asked = []

    def accept(code: trust.NamedCode) -> bool:
        assert not ran()
        asked.append(code)
        return True

    sys.path.append(str(folder))
    trust.ask_with(accept)
    trust.require_trust("stranger")
    trust.require_trust("stranger")
    assert [code.file for code in asked] == [folder / "stranger.py"]

    trust.ask_with(lambda code: False)
    trust.require_trust("stranger")
    (folder / "stranger.py").write_text(RUNS + "# changed\n")
    with pytest.raises(ConfigError, match="nobody has accepted"):
        trust.require_trust("stranger")


def test_the_hash_covers_what_the_file_imports_beside_it_and_the_packages_around_it(folder):
    (folder / "strangers").mkdir()
    (folder / "strangers" / "__init__.py").write_text("")
    (folder / "strangers" / "inner.py").write_text("import stranger\n")
    sys.path.append(str(folder))
    seen = {trust.find_code("strangers.inner").sha256}
    for file in ("stranger.py", "strangers/__init__.py", "strangers/inner.py"):
        path = folder / file
        path.write_text(path.read_text() + "# changed\n")
        seen.add(trust.find_code("strangers.inner").sha256)
    assert len(seen) == 4
    assert "strangers" not in sys.modules


def test_a_file_that_does_not_parse_can_be_hashed_and_a_module_that_is_not_there_has_no_code(folder):
    sys.path.append(str(folder))
    (folder / "stranger.py").write_text("def broken(:\n")
    assert trust.find_code("stranger").file == folder / "stranger.py"
    assert trust.find_code("stranger_that_is_not_there") is None
    assert trust.find_code("stranger_that_is_not_there.at_all") is None
