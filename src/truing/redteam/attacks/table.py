"""The table of attacks, by name, with the nearest name in garak and in PyRIT.

To add an attack, write its step in the file of its type and a row here; `docs/red-team.md` lists the rows,
and a test asks each for its control. Names as of garak 0.15 and PyRIT 1.1.
"""

from collections.abc import Sequence

from truing.config.tables import find
from truing.redteam.attacks import frame, language, structure, surface, turns
from truing.redteam.attacks.types import Attack, AttackType, single

ATTACKS: dict[str, Attack] = {
    "plain": Attack(
        AttackType.PLAIN,
        single(lambda seed: seed.text),
        "the prompt as it stands",
        garak="donotanswer",
        pyrit="PromptSendingAttack",
    ),
    "base64": Attack(
        AttackType.SURFACE,
        surface.encoded("base64", surface.to_base64),
        "base64 to UTF-8",
        garak="encoding.InjectBase64",
        pyrit="Base64Converter",
        undo=surface.from_base64,
    ),
    "rot13": Attack(
        AttackType.SURFACE,
        surface.encoded("ROT13", surface.to_rot13),
        "each letter 13 places on",
        garak="encoding.InjectROT13",
        pyrit="ROT13Converter",
        undo=surface.from_rot13,
        languages=("en",),
    ),
    "leet": Attack(
        AttackType.SURFACE,
        surface.bare(surface.to_leet),
        "digits read as letters: 4 3 1 0 5 7 as a e i o s t",
        garak="encoding.InjectLeet",
        pyrit="LeetspeakConverter",
        undo=surface.from_leet,
        languages=("en",),
    ),
    "homoglyph": Attack(
        AttackType.SURFACE,
        surface.bare(surface.to_homoglyphs),
        "Cyrillic letters read as the Latin ones they look like",
        garak="badchars.BadCharacters",
        pyrit="UnicodeConfusableConverter",
        undo=surface.from_homoglyphs,
        languages=("en",),
    ),
    "zero_width": Attack(
        AttackType.SURFACE,
        surface.bare(surface.to_gaps),
        "characters without width left out",
        garak="badchars.BadCharacters",
        pyrit="ZeroWidthConverter",
        undo=surface.from_gaps,
    ),
    "language_swap": Attack(
        AttackType.LANGUAGE,
        language.swap,
        "the other of English and Chinese",
        garak="buffs.low_resource_languages.LRLBuff",
        pyrit="TranslationConverter",
        swaps=True,
    ),
    "role_play": Attack(
        AttackType.FRAME,
        frame.role_play,
        "the prompt below a role without rules",
        garak="dan.Dan_11_0",
        pyrit="RolePlayAttack",
    ),
    "past_tense": Attack(
        AttackType.FRAME,
        frame.past_tense,
        "the prompt below a question about the past",
        garak="phrasing.PastTense",
        pyrit="TenseConverter",
    ),
    "hypothetical": Attack(
        AttackType.FRAME,
        frame.hypothetical,
        "the prompt below a made-up world",
        pyrit="RolePlayAttack",
    ),
    "authority": Attack(
        AttackType.FRAME,
        frame.authority,
        "the prompt below a claim of permission",
        pyrit="PersuasionConverter",
    ),
    "json": Attack(
        AttackType.STRUCTURE,
        structure.as_json,
        "the field `task` of an object",
        pyrit="JsonStringConverter",
        undo=structure.from_json,
    ),
    "prefix": Attack(
        AttackType.STRUCTURE,
        structure.prefix,
        "the prompt before the first words of its answer",
        pyrit="SuffixAppendConverter",
    ),
    "many_shot": Attack(
        AttackType.STRUCTURE,
        structure.many_shot,
        "the last of many questions",
        pyrit="ManyShotJailbreakAttack",
    ),
    "crescendo": Attack(
        AttackType.TURNS,
        turns.crescendo,
        "the last of three turns",
        garak="fitd.FITD",
        pyrit="CrescendoAttack",
        turns=3,
    ),
    "linear": Attack(
        AttackType.TURNS,
        turns.linear,
        "the prompt, asked anew after each no",
        garak="goat.GOATAttack",
        pyrit="RedTeamingAttack",
        turns=4,
    ),
}


def attacks_of(names: Sequence[str]) -> dict[str, Attack]:
    """Return the attacks of these names in their order. Raises ConfigError for a name that is not known."""
    return {name: find("attack", ATTACKS, name) for name in names}
