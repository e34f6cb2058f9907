"""YAML files that users write (recipes, studies, spaces, labels): one table each, read strictly."""

from pathlib import Path
from typing import Any

import yaml

from tlprobe.errors import ParameterError

__all__ = ["load_yaml", "parse_yaml"]

_MAX_YAML_BYTES = 1 << 20  # a recipe is a page; a larger file is something else


def load_yaml(file: Path, *, kind: str) -> dict[str, Any]:
    """Read a YAML file that holds one table; `kind` (recipe, study, labels) names it in errors.

    Raises
    ------
    ParameterError
        If it is missing, too large, no YAML or no table; aliases and keys that stand twice are refused.
    """
    try:
        if not file.is_file():
            raise ParameterError(f"{kind} {file} is {'no file' if file.exists() else 'missing'}")
        if file.stat().st_size > _MAX_YAML_BYTES:
            raise ParameterError(f"{kind} {file} is larger than 1 MiB; that is no {kind}")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{kind} {file} cannot be read: {error}") from error
    return parse_yaml(text, source=f"{kind} {file}")


def parse_yaml(text: str, *, source: str) -> dict[str, Any]:
    """Read YAML text that holds one table; `source` names it in errors.

    Raises
    ------
    ParameterError
        If it is no YAML or no table; aliases and keys that stand twice are refused.

    Examples
    --------
    >>> parse_yaml("epochs: 3", source="recipe mine.yaml")
    {'epochs': 3}
    """
    try:
        values = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except (yaml.YAMLError, RecursionError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Beside its own errors, PyYAML lets through what int(), date() and the like raise: "lr: 2024-13-45".
        raise ParameterError(f"{source} is no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ParameterError(f"{source} must be a table of names and values")
    return values


class _StrictLoader(yaml.SafeLoader):
    """YAML without aliases (they can blow up) and without silently dropped duplicate keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {key!r} stands twice")
        return super().construct_mapping(node, deep=deep)
