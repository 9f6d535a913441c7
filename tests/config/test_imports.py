import sys
from pathlib import Path

import pytest

from truing.config.imports import closest, is_import, load_function
from truing.core.errors import ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module and a package."""
    (tmp_path / "shop_rewards.py").write_text("LIMIT = 3\n\ndef short():\n    return LIMIT\n")
    (tmp_path / "shop_package").mkdir()
    (tmp_path / "shop_package" / "inner.py").write_text("from shop_rewards import short as deep\n")
    (tmp_path / "shop_needs.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "shop_raises.py").write_text("\n\nraise RuntimeError('no key')\n")
    (tmp_path / "shop_exits.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "shop_syntax.py").write_text("def short(:\n")
    (tmp_path / "psutil.py").write_text("raise RuntimeError('hides an installed package')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("shop_")]:
        del sys.modules[name]


def test_from_the_working_directory(here: Path):
    assert load_function("shop_rewards:short")() == 3
    assert load_function("shop_package.inner:deep")() == 3
    assert sys.path.count(str(here)) == 1


def test_installed_modules_come_first(here: Path):
    assert load_function("psutil:cpu_count")() >= 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shop_rewards:", "names no function"),
        (":short", "names no function"),
        ("shop_rewards", "names no function"),
        ("shop-rewards:short", "names no function"),
        ("shop_rewards:short:er", "names no function"),
        ("shop_rewards:a.b", "names no function"),
        ("shop_rewardz:short", "there is no module 'shop_rewardz'; did you mean 'shop_rewards'"),
        ("shop_package.iner:deep", "there is no module 'shop_package.iner'; did you mean 'inner'"),
        ("shop_rewards.more:short", "there is no module 'shop_rewards.more'"),
        ("shop_rewards:shart", "shop_rewards.py has no 'shart'; did you mean 'short'"),
        ("shop_rewards:LIMIT", "is of type int, and not a function"),
        ("shop_needs:short", r"shop_needs cannot be imported: ModuleNotFoundError.*\(shop_needs.py:1\)"),
        ("shop_raises:short", r"cannot be imported: RuntimeError: no key \(shop_raises.py:3\)"),
        ("shop_exits:short", "cannot be imported: SystemExit: 3"),
        ("shop_syntax:short", "cannot be imported: SyntaxError"),
    ],
)
def test_what_cannot_be_imported_is_told(here: Path, name: str, told: str):
    with pytest.raises(ConfigError, match=told):
        load_function(name)


def test_names():
    assert is_import("a:b")
    assert not is_import("numeric")
    assert closest("numerci", ["numeric", "format"]) == "; did you mean 'numeric'?"
    assert closest("zzz", ["numeric"]) == ""
