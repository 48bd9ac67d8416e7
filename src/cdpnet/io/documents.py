"""Read the JSON and YAML files of others, with bounds on size and depth, so that no file ends the process."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from cdpnet.errors import DataError
from cdpnet.io.files import read_text

_MAX_JSON_BYTES = 2**31  # the largest published annotations, those of LVIS, have more than half of that
_MAX_YAML_BYTES = 2**20  # a list of 20,000 names has less
_MAX_YAML_DEPTH = 32
_MAX_YAML_VALUE = 2**14  # characters; a number in base 60, as 1:30:00, takes time with the square of its length
_YAML: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = (  # the first is ten times as fast
    yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
)


def read_json(path: Path) -> object:
    """The value in a JSON file. DataError where it is cut off, too large, nested too deep, or has too long a number."""
    try:
        value: object = json.loads(read_text(path, most_bytes=_MAX_JSON_BYTES))
    except RecursionError:
        raise DataError(f"{path} is nested too deep; a file of labels has a few levels.") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not complete JSON (line {error.lineno}, column {error.colno}); export it again from its tool."
        ) from None
    except ValueError:  # the only other one: more digits than are converted to a number
        raise DataError(f"{path} holds a number of thousands of digits; export it again from its tool.") from None
    return value


def read_yaml(path: Path) -> object:
    """The value in a YAML file.

    DataError where it is broken, too large, nested too deep, or has a key twice, aliases or values of many thousand
    characters. An alias (*name) repeats a part of the file; a few lines of them stand for more than fits into memory.
    """
    text = read_text(path, most_bytes=_MAX_YAML_BYTES)
    try:
        _check_events(text, path)
        loader = _YAML(text)
        root = loader.get_single_node()
        _check_keys(root, path)
        value: object = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError):
        # ValueError: a date that does not exist, or a number that is too long
        raise DataError(f"{path} is not a YAML file that can be read; save it again from its tool.") from None
    return value


def _check_events(text: str, path: Path) -> None:
    """DataError for aliases, deep nesting and long values, before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=_YAML):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_YAML_DEPTH:
            raise DataError(f"{path} is nested deeper than {_MAX_YAML_DEPTH} levels; such a file has two or three.")
        if isinstance(event, yaml.AliasEvent):
            raise DataError(f"{path} has a YAML alias, *{event.anchor}; write out what it stands for.")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _MAX_YAML_VALUE:
            raise DataError(f"{path} has a value of more than {_MAX_YAML_VALUE:,} characters; a name has a few.")


def _check_keys(root: yaml.Node | None, path: Path) -> None:
    """DataError for a key that a mapping has twice, of which PyYAML takes the last without a word."""
    left = [root]
    while left:
        node = left.pop()
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        left += [value for _, value in node.value]
        first: dict[tuple[str, str], yaml.Node] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            other = first.setdefault((key.tag, key.value), key)
            if other is not key:
                lines = f"lines {other.start_mark.line + 1} and {key.start_mark.line + 1}"
                raise DataError(f"{path} has the key {key.value} twice, in {lines}; keep one of them.")
