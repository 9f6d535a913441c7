"""`truing runs` from the command line to its first page."""

import signal
import subprocess
import sys

import httpx2 as httpx
import pytest

from truing.web.guard import CSRF

from ..verbs import serving
from ..web.runs.folders import make_run


def test_what_is_no_folder_is_refused_at_once(here, tmp_path):
    ended = here("runs", "nowhere")
    assert ended.returncode == 2 and "nowhere is no folder" in ended.stderr
    assert "runs is no folder" in here("runs").stderr
    (tmp_path / "open").mkdir()
    ended = here("runs", "open", "--host", "0.0.0.0")
    assert ended.returncode == 2 and "no password is set" in ended.stderr


@pytest.mark.parametrize(("language", "word"), [("zh", "训练"), ("en", "training")])
def test_the_printed_url_shows_the_runs_until_ctrl_c(tmp_path, language, word):
    make_run(tmp_path / "runs" / "dpo")
    command = [sys.executable, "-m", "truing", "runs", "--port", "0", "--language", language]
    with serving(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        url = next(word for line in process.stderr for word in line.split() if word.startswith("http"))
        with httpx.Client() as client:
            assert client.get(url).status_code == 200
            base = url.partition("?")[0]
            assert word in client.get(base).text
            assert client.post(f"{base}runs/none/stop", headers={CSRF: "x"}).status_code == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
