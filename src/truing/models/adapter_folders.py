"""Checks that PEFT can open a folder without code, without files from elsewhere, and without end."""

from pathlib import Path

from truing.core.errors import ModelError
from truing.core.messages import message
from truing.models.folders import read_object, refuse_code, refuse_links_out
from truing.models.results import ADAPTER_CONFIG, adapter_base

# Types of PEFT's adapters, by what they change; those of prompts are refused by name where they are opened.
OF_WEIGHTS = (
    *("LORA", "ADALORA", "LOHA", "LOKR", "IA3", "OFT", "BOFT", "VERA", "PVERA", "HRA", "FOURIERFT", "VBLORA"),
    *("MISS", "RANDLORA", "ROAD", "SHIRA", "C3A", "WAVEFT", "DELORA", "GRALORA", "LN_TUNING"),
    "TRAINABLE_TOKENS",
)
OF_PROMPTS = (
    "PROMPT_TUNING",
    "MULTITASK_PROMPT_TUNING",
    "P_TUNING",
    "PREFIX_TUNING",
    "CPT",
    "ADAPTION_PROMPT",
)


def check_adapter_folder(folder: Path) -> None:
    """Raise `ModelError` unless PEFT can open `folder` without code, and without files from elsewhere."""
    refuse_links_out(folder)
    for name in (ADAPTER_CONFIG, "tokenizer_config.json"):
        refuse_code(folder / name)
    kind = read_object(folder / ADAPTER_CONFIG).get("peft_type")
    if kind not in (*OF_WEIGHTS, *OF_PROMPTS):  # XLORA, for one, opens further adapters, and pickles too
        said = "{folder} is an adapter of type {kind}, which truing does not open"
        raise ModelError(
            message(said, folder=folder, kind=kind),
            hint=message("truing reads adapters that change weights: {kinds}", kinds=", ".join(OF_WEIGHTS)),
        )


def refuse_circle(folder: Path, base: str) -> None:
    """Raise `ModelError` for an adapter whose base is itself, directly or through other adapters."""
    seen = {folder.expanduser().resolve()}
    while is_adapter(base):
        path = Path(base).expanduser().resolve()
        if path in seen:
            file = folder / ADAPTER_CONFIG
            raise ModelError(
                message("{folder} is an adapter whose base leads back to itself", folder=folder),
                hint=message("set base_model_name_or_path in {file} to a whole model", file=file),
            )
        seen.add(path)
        base = adapter_base(path)


def is_adapter(source: str) -> bool:
    """Tell whether a source is a folder that holds an adapter and no whole weights."""
    folder = Path(source).expanduser()
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()
