"""The ready rules as data of the package: defaults, and what people read in every language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import yaml
from pydantic import TypeAdapter

from energy.alerts.rules import Balance, Rule, Texts
from energy.languages import LANGUAGES, Language

__all__ = ["expand", "ready_rules", "texts_of"]

_ADAPTER: Final[TypeAdapter[Rule]] = TypeAdapter(Rule)


@lru_cache
def ready_rules() -> Mapping[str, Rule]:
    """All of the library by id."""
    return {rule_id: _ADAPTER.validate_python(content) for rule_id, content in _raw().items()}


def expand(entry: Any) -> Any:
    """A rule as it stands in a file, made whole: `voltage-high` or `{use: voltage-high, ...}` is the library's, changed.

    Raises ValueError for a name the library does not have. What is no such entry is left as it is.
    """
    if isinstance(entry, str):
        entry = {"use": entry}
    if not isinstance(entry, Mapping):
        return entry
    if "use" not in entry:  # the first rules that there were had no kind
        return {"kind": "balance", **entry} if "metric" in entry else entry
    wanted, changes = entry["use"], {key: value for key, value in entry.items() if key != "use"}
    ready = _raw().get(wanted) if isinstance(wanted, str) else None
    if ready is None:
        raise ValueError(f"there is no ready rule {wanted!r}; there are {', '.join(_raw())}")
    return {**{key: value for key, value in ready.items() if key != "texts"}, **changes}


def texts_of(rule: Rule, language: Language) -> Texts:
    """What people read about an alert of `rule`: its own texts, those of the ready rule of its name, or of its kind."""
    ready = ready_rules()
    named = ready.get(rule.id)
    sources = [rule, *([named] if named else []), *ready.values()]
    for texts in (source.texts for source in sources if _alike(source, rule)):
        for each in (language, *LANGUAGES):
            if each in texts:
                return texts[each]
    title = rule.id.replace("-", " ").replace("_", " ").capitalize()
    return Texts(title=title, means="", do="")


def _alike(one: Rule, other: Rule) -> bool:
    same = type(one) is type(other)
    return same and (not isinstance(one, Balance) or one.metric == getattr(other, "metric", None))


@lru_cache
def _raw() -> Mapping[str, dict[str, Any]]:
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".yaml"))
    found = {}
    for file in sorted(files, key=lambda file: file.name):
        rule_id = file.name.removesuffix(".yaml")
        found[rule_id] = {"id": rule_id, **yaml.safe_load(file.read_text(encoding="utf-8"))}
    return found
