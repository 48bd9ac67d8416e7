"""Prompt templates: the text feature of a class is the mean over templates filled with its name.

CLIP's own ensembles come with open_clip; the tiny encoder has the templates that it was trained with.
"""

from __future__ import annotations

from cdpnet.errors import ConfigError

TINY_TEMPLATES = (
    "a photo of a {}.",
    "a picture of a {}.",
    "a painting of a {}.",
    "a drawing of the {}.",
    "one {}.",
    "{}",
)


def templates(name: str) -> tuple[str, ...]:
    """Templates by name: ``single``, ``ensemble`` (CLIP's 7), ``full`` (its 80), ``tiny``, ``name`` (the name alone).

    ConfigError for others.
    """
    if name == "name":
        return ("{}",)
    if name == "single":
        return ("a photo of a {}.",)
    if name == "tiny":
        return TINY_TEMPLATES
    if name not in ("ensemble", "full"):
        raise ConfigError(f"There are no prompts {name!r}; there are single, ensemble, full, tiny and name.")
    from open_clip import zero_shot_metadata as clip  # here, since the pairs with other prompts need no open_clip

    functions = clip.SIMPLE_IMAGENET_TEMPLATES if name == "ensemble" else clip.OPENAI_IMAGENET_TEMPLATES
    return tuple(function("{}") for function in functions)


def fill(template: str, name: str) -> str:
    """Put a name into a template; a name may itself hold braces. ``a`` becomes ``an`` before a vowel."""
    before, _, after = template.partition("{}")
    if before.endswith(" a ") or before == "a ":
        before = before[:-1] + ("n " if name[:1].lower() in set("aeiou") else " ")
    return before + name + after
