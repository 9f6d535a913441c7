"""A real run that broke off, went on and was found unhealthy, read back from each of its trackers.

`make test-trackers` runs these in an environment that has the packages. Nothing here reaches the network.
"""

import json
import os
import sqlite3
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import truing
from truing.config.recipe import Recipe
from truing.config.run_folder import METRICS, TRACKERS
from truing.config.track import TRACKERS as NAMES
from truing.core.errors import UsageError
from truing.core.files import read_jsonl
from truing.runs.trackers import KINDS, flat, require_trackers

REAL = [pytest.mark.trackers, pytest.mark.slow]
HERE = {  # where each tracker writes, below one folder
    "WANDB_MODE": "offline",
    "WANDB_DIR": "{}",
    "TRACKIO_DIR": "{}/trackio",
    "SWANLAB_LOG_DIR": "{}/swanlog",
    "SWANLAB_MODE": "offline",
    "MLFLOW_TRACKING_URI": "sqlite:///{}/mlflow.db",
}
STEPS, CUT, RESUMED = range(1, 13), 6, 5


def test_the_table_and_the_names_of_a_recipe_are_one():
    assert tuple(KINDS) == NAMES


def test_sections_become_dotted_keys():
    assert flat({"a": 1, "b": {"c": None, "d": {"e": [1, "x"]}}}) == {
        "a": 1,
        "b.c": "null",
        "b.d.e": '[1, "x"]',
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_a_trackers_name_is_no_package(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Trackers leave such folders where they run, and Python takes them for packages."""
    (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [one for one in sys.meta_path if "editable" not in repr(one)])
    for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(UsageError, match=f"track: {name} is not installed") as told:
        require_trackers([name])
    assert "extra `trackers`" in told.value.hint


def missing() -> list[str]:
    """The trackers whose packages are not installed."""
    found = []
    for name in NAMES:
        try:
            require_trackers([name])
        except UsageError:
            found.append(name)
    return found


class Tracked:
    """A run that all trackers saw, and the folder below which they wrote."""

    def __init__(self, place: Path, said: list[str]) -> None:
        self.place, self.run, self.said = place, place / "my-run", said
        self.metrics = {row["step"]: row for row in read_jsonl(self.run / METRICS)}
        self.kept = json.loads((self.run / TRACKERS).read_text())

    def values(self, name: str) -> dict[int, float]:
        return {step: row[name] for step, row in self.metrics.items()}


@pytest.fixture(scope="module")
def tracked(train_tracked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracked]:
    """The power fails at step 6, two after a checkpoint; the same command goes on at step 5."""
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)} not installed: `make test-trackers` makes an environment with all")
    place = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name, value in HERE.items():
            patch.setenv(name, value.format(place))
        with pytest.raises(RuntimeError, match="the power fails"):
            train_tracked(place / "my-run", list(NAMES), cut=CUT)
        yield Tracked(place, train_tracked(place / "my-run", list(NAMES)))


def records(path: Path, message: type) -> Iterator[Any]:
    """The protobuf records of a log as W&B and SwanLab write it: LevelDB's format behind seven bytes."""
    data, at, begun = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        begun += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            one = message()
            one.ParseFromString(begun)
            yield one
            begun = b""


class TestReadBack:
    pytestmark = REAL

    def test_it_is_said_where_a_run_goes_and_it_is_healthy_nowhere(self, tracked: Tracked):
        for name in NAMES:
            assert f"tracked by {name} as my-run in project truing" in tracked.said
        assert any(line.startswith("health: loss_spikes") for line in tracked.said)
        assert len(tracked.kept["token"]) == 8

    def test_tensorboard_shows_every_step_once(self, tracked: Tracked):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        shown = EventAccumulator(str(tracked.run / "tensorboard"))
        shown.Reload()
        assert set(shown.Tags()["scalars"]) == set(tracked.metrics[1]) - {"step"}
        for name in ("loss", "seconds"):
            found = {one.step: one.value for one in shown.Scalars(name)}
            assert len(shown.Scalars(name)) == len(STEPS)
            assert found == pytest.approx(tracked.values(name)), "of steps done twice, the later"
        (recipe,) = (tracked.run / "tensorboard").glob("*/hparams.yml")
        assert "optim.learning_rate: 3.0" in recipe.read_text()

    def test_wandb_has_one_run_in_two_parts_and_the_alert(self, tracked: Tracked):
        from wandb.proto.wandb_internal_pb2 import Record

        parts = sorted((tracked.place / "wandb").glob("offline-run-*/*.wandb"))
        told = [one for part in parts for one in records(part, Record)]
        runs = [one.run for one in told if one.WhichOneof("record_type") == "run" and one.run.project]
        assert {(one.run_id, one.project, one.display_name) for one in runs} == {
            (tracked.kept["token"], "truing", "my-run")
        }
        config = {one.key: json.loads(one.value_json) for run in runs for one in run.config.update}
        assert config["optim"]["learning_rate"] == 3.0 and config["method"] == "sft"
        rows = [
            {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in record.history.item}
            for record in told
            if record.WhichOneof("record_type") == "history"
        ]
        assert [row["step"] for row in rows] == [*range(1, CUT + 1), *range(RESUMED, 13)]
        assert {row["step"]: row["loss"] for row in rows} == pytest.approx(tracked.values("loss"))
        (alert,) = [one.alert for one in told if one.WhichOneof("record_type") == "alert"]
        assert alert.title == "loss_spikes at step 9" and alert.level == "WARN"
        assert "→ lower optim.learning_rate" in alert.text
        exits = [one.exit.exit_code for one in told if one.WhichOneof("record_type") == "exit"]
        assert exits == [1, 0]

    def test_trackio_has_the_steps_and_the_alert_in_its_database(self, tracked: Tracked):
        database = sqlite3.connect(tracked.place / "trackio" / "truing.db")
        name = f"my-run-{tracked.kept['token']}"
        found = database.execute("select run_name, run_id, step, metrics from metrics order by id").fetchall()
        assert {(one[0]) for one in found} == {name} and len({one[1] for one in found}) == 1
        assert [one[2] for one in found] == [*range(1, CUT + 1), *range(RESUMED, 13)]
        losses = {one[2]: json.loads(one[3])["loss"] for one in found}
        assert losses == pytest.approx(tracked.values("loss"))
        assert json.loads(database.execute("select config from configs").fetchone()[0])["method"] == "sft"
        ((title, level, step),) = database.execute("select title, level, step from alerts").fetchall()
        assert (title, level, step) == ("loss_spikes at step 9", "warn", 9)

    def test_mlflow_has_one_run_that_finished(self, tracked: Tracked):
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{tracked.place}/mlflow.db")
        (experiment,) = [one for one in client.search_experiments() if one.name == "truing"]
        (found,) = client.search_runs([experiment.experiment_id])
        assert found.info.run_id == tracked.kept["runs"]["mlflow"]
        assert (found.info.run_name, found.info.status) == ("my-run", "FINISHED")
        assert found.data.params["optim.learning_rate"] == "3.0" and found.data.params["lora"] == "null"
        history = client.get_metric_history(found.info.run_id, "loss")
        assert Counter(one.step for one in history) == Counter([*STEPS, 5, 6])
        assert {one.step: one.value for one in history} == pytest.approx(tracked.values("loss"))

    def test_swanlab_has_two_parts_of_one_run_on_this_machine(self, tracked: Tracked):
        from swanlab.proto.swanlab.record.v1.record_pb2 import Record

        parts = sorted((tracked.place / "swanlog").glob("run-*/*.swanlab"))
        told = [list(records(part, Record)) for part in parts]
        assert len(parts) == 2 and {part.stem for part in parts} == {f"run-{tracked.kept['token']}"}
        scalars = [one.scalar for part in told for one in part if one.WhichOneof("record_type") == "scalar"]
        losses = {one.step: one.value.number for one in scalars if one.key == "loss"}
        assert losses == pytest.approx(tracked.values("loss"))
        ends = [
            one.finish.error for part in told for one in part if one.WhichOneof("record_type") == "finish"
        ]
        assert ends == ["training failed", ""]
        assert "learning_rate: 3.0" in (parts[0].parent / "files" / "config.yaml").read_text()

    def test_a_tracker_that_cannot_start_is_told_before_training(self, tracked: Tracked, tmp_path: Path):
        server = {
            "WANDB_MODE": "online",
            "WANDB_BASE_URL": "http://127.0.0.1:9",
            "NETRC": str(tmp_path / "no"),
        }
        done = trained_alone(tracked, tmp_path, "wandb", server)
        assert "code 2" in done.stdout, done.stderr
        assert "track: wandb does not start: " in done.stderr
        assert not (tmp_path / "run" / METRICS).exists()

    def test_a_run_that_asks_for_none_imports_none(self, tracked: Tracked, tmp_path: Path):
        done = trained_alone(tracked, tmp_path, [], {})
        assert "code 0, imported []" in done.stdout, done.stderr


def trained_alone(
    tracked: Tracked, place: Path, track: object, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """`truing train` in a process of its own, which prints its exit code and the trackers it imported."""
    began = json.loads((tracked.run / "config.json").read_text())["recipe"]
    recipe = {key: value for key, value in began.items() if key in Recipe.model_fields}
    (place / "recipe.json").write_text(json.dumps({**recipe, "track": track, "output": str(place / "run")}))
    code = f"""
import sys
from truing.cli.main import main
sys.argv = ["truing", "train", {str(place / "recipe.json")!r}]
try:
    main()
except SystemExit as end:
    print(f"code {{end.code or 0}}, imported {{sorted({{*{NAMES!r}}} & set(sys.modules))}}")
"""
    paths = {"PYTHONPATH": str(Path(truing.__file__).parents[1]), "TRUING_LANG": "en"}
    kept = {key: value for key, value in os.environ.items() if key != "WANDB_API_KEY"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**kept, **paths, **env}
    )
