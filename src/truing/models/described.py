"""The folder that describes a model, its config and its tokenizer: enough to plan with, and no weights."""

from pathlib import Path

from truing.core.doing import doing
from truing.core.errors import ModelError
from truing.core.messages import message
from truing.models.results import find_run
from truing.models.sources import HUB_FILES, hub_name, resolve


def described(source: str) -> Path:
    """Return a folder with the config and the tokenizer of a model source.

    From the hub the small files alone are fetched, and a folder may hold no weights. Runs, adapters and
    wheels are resolved as for training. Raises ModelError for a source without a config.
    """
    folder = Path(source).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir() or find_run(source) is not None or not hub_name(source):
        return resolve(source).path
    return _fetched(source)


def _fetched(source: str) -> Path:
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    small = [pattern for pattern in HUB_FILES if pattern != "*.safetensors"]
    try:
        with doing(message("looking for {source} on the hub", source=source)):
            return Path(snapshot_download(source, allow_patterns=small, ignore_patterns=["*/*"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError) as error:
        raise ModelError(
            message("the hub failed on {source}: {error}", source=source, error=error),
            hint=message("give a folder with its config.json and its tokenizer"),
        ) from error
