"""Recognise another toolkit's configuration that was given as a recipe, and list its keys beside ours."""

from truing.config.documents import Node
from truing.config.foreign import METHODS, PEERS
from truing.config.recipe import Recipe
from truing.core.errors import ConfigError
from truing.core.messages import message

_ENOUGH = 3  # keys that only the other toolkit has; fewer are slips in a recipe of ours


def refuse_foreign(root: Node, path: object) -> None:
    """Raise `ConfigError` for a file of another toolkit, with a line for each of its keys."""
    foreign = [key for key in root.children if key not in Recipe.model_fields]
    fits = {peer: sum(key in table for key in foreign) for peer, table in PEERS.items()}
    peer = max(fits, key=lambda name: fits[name])
    if fits[peer] < max(_ENOUGH, len(foreign) / 2):
        return
    width = max(len(key) for key in foreign)
    rows = [f"  {key.ljust(width)}  {_ours(peer, key, root.children[key])}" for key in foreign]
    said = "{path} is a file of {peer}, not a recipe of truing. Its keys, and what they are here:\n{rows}"
    raise ConfigError(
        message(said, path=path, peer=peer, rows="\n".join(rows)),
        hint=message("write them into a copy of a recipe, or into the one that `truing init METHOD` makes"),
    )


def _ours(peer: str, key: str, node: Node) -> str:
    found = PEERS[peer].get(key)
    if found is None:
        return "?"
    if found.key == "method":
        return METHODS.get(str(node.value), f"method: {node.value}")
    if not found.key:
        return f"- {found.note}"
    return found.key + (f"  ({found.note})" if found.note else "")
