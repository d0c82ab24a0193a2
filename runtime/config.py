"""YAML configuration files read into pydantic models, with errors that name file, line, field and the next step.

Environment variables `COMMONWATT_A__B=value` override the field a.b; secrets are given as files or by environment.
One that names nothing is warned of.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from energy.errors import ConfigError

__all__ = ["ENV_PREFIX", "load_config", "several", "with_also", "yaml_names"]

log = logging.getLogger(__name__)

ENV_PREFIX = "COMMONWATT_"
_NOT_SETTINGS: Final = frozenset(
    ENV_PREFIX + name
    for name in (
        *("CLOCK", "LOG_FORMAT", "ENTSOE_KEY", "GRAFANA_TOKEN", "GRAFANA_USER", "GRAFANA_PASSWORD"),
        *("CONFIG", "PKI", "CERTIFICATE_DAYS"),  # of deploy/
    )
)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, ten times as fast, where libyaml is there
_Model = TypeVar("_Model", bound=BaseModel)
_Path = tuple[str | int, ...]
_MOST_VALUES: Final = 1_000_000
_DEEPEST: Final = 5  # settings inside settings that a variable is looked for in
_SEVERAL: Final = "several"
_UNKNOWN: Final = frozenset({"extra_forbidden", "unexpected_keyword_argument"})  # a model's and a dataclass's word
_SCHEMA: Final = "`commonwatt schema`"
_CORRECT: Final = f"correct it; {_SCHEMA} shows what is allowed"


def several(problems: Sequence[str]) -> PydanticCustomError:
    """For a model's check to raise: each problem is a sentence that begins with what it is about and a colon."""
    return PydanticCustomError(_SEVERAL, "{told}", {"told": "; ".join(problems), "problems": list(problems)})


def with_also(error: ValidationError, found: Iterable[tuple[_Path, str, Any]]) -> ValidationError:
    """`error` with what a look at the unchecked content found too: where, what is wrong in words, what stands there."""
    also = [
        InitErrorDetails(type=PydanticCustomError("value_error", "{told}", {"told": told}), loc=where, input=given)
        for where, told, given in found
    ]
    kept = [
        InitErrorDetails(
            type=PydanticCustomError(one["type"], "{told}", {**one.get("ctx", {}), "told": one["msg"]}),
            loc=one["loc"],
            input=one["input"],
        )
        for one in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, [*kept, *also])


def load_config(path: Path, model: type[_Model], *, env: Mapping[str, str] | None = None, kind: str = "") -> _Model:
    """Reads `path` as `model`. Raises ConfigError for the first thing wrong, with all `others`.

    `kind`: by which name the schema is shown, where it is not a centre's.
    """
    node = _compose(path)
    content = _plain(node, path) if node is not None else {}
    if not isinstance(content, dict):
        raise ConfigError(
            "must be a mapping of settings", file=str(path), line=1, hint="start with a key such as `mqtt:`"
        )
    overridden = _apply_env(content, os.environ if env is None else env, model)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first, *others = _problems(error, _Source(path, node, overridden), model)
        first.others = tuple(others)
        for one in (first, *others) if kind else ():
            one.hint = one.hint and one.hint.replace(_SCHEMA, f"`commonwatt schema {kind}`")
        raise first from error


def yaml_names(path: Path) -> list[str]:
    """The names of the settings at the top of a file. Raises ConfigError when it is no YAML."""
    node = _compose(path)
    keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    return [key.value for key in keys if isinstance(key, yaml.ScalarNode)]


def _compose(path: Path) -> yaml.Node | None:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", file=str(path), hint="check the path and its rights"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", file=str(path), hint="save the file as UTF-8") from error
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(
            f"is no YAML: {error.problem}", file=str(path), line=line, hint="check indentation and quotes"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(
            f"is no YAML: {error}", file=str(path), hint="save it as plain text in UTF-8, without control characters"
        ) from error


def _plain(node: yaml.Node, path: Path) -> Any:
    """The node's value; a key given twice is an error here, where YAML would keep the last silently."""
    _refuse_duplicates(node, path)
    _refuse_growth(node, path)
    try:
        return yaml.SafeLoader("").construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(
            f"is no usable YAML: {error.problem}", file=str(path), line=line, hint="plain values, lists and mappings"
        ) from error
    except ValueError as error:
        line = _line_of_impossible(node)
        raise ConfigError(
            f"holds an impossible value: {error}", file=str(path), line=line, hint="correct the date or number"
        ) from error


def _refuse_growth(root: yaml.Node, path: Path) -> None:
    """Aliases of aliases make millions of values of a few lines, and one of itself without end."""
    size: dict[int, float] = {}
    pending = [root]
    while pending:
        node = pending[-1]
        parts = _parts(node)
        new = [part for part in parts if id(part) not in size]
        size.setdefault(id(node), inf)  # until its parts are counted, as for one of its own parts
        if new:
            pending += new
            continue
        pending.pop()
        size[id(node)] = 1 + sum(size[id(part)] for part in parts)
        if size[id(node)] > _MOST_VALUES:
            raise ConfigError(
                "grows without bounds by its aliases",
                file=str(path),
                line=node.start_mark.line + 1,
                hint=f"write out what `*` names stand for, at most {_MOST_VALUES:,} values",
            )


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line_of_impossible(node: yaml.Node) -> int | None:
    """Where a date such as 2026-13-01 stands: YAML's own error does not say."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, yaml.ScalarNode):
            try:
                yaml.SafeLoader("").construct_document(current)
            except ValueError:
                return int(current.start_mark.line) + 1
        else:
            pending += _parts(current)
    return None


def _refuse_duplicates(node: yaml.Node, path: Path) -> None:
    pending = [node]
    visited: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) in visited:
            continue
        visited.add(id(current))
        if isinstance(current, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in current.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise ConfigError(
                        "is given twice",
                        file=str(path),
                        line=key.start_mark.line + 1,
                        field=key.value,
                        hint="keep one of them",
                    )
                seen.add(getattr(key, "value", "") if isinstance(key, yaml.ScalarNode) else "")
                pending.append(value)
        elif isinstance(current, yaml.SequenceNode):
            pending.extend(current.value)


def _apply_env(content: dict[str, Any], env: Mapping[str, str], model: type[BaseModel]) -> dict[_Path, str]:
    """Overrides what the environment names; and which variable overrides what."""
    overridden: dict[_Path, str] = {}
    for name, value in env.items():
        if not name.startswith(ENV_PREFIX) or name in _NOT_SETTINGS:
            continue
        if "__" not in name:
            _warn_of(name, model)
            continue
        *parents, leaf = name.removeprefix(ENV_PREFIX).lower().split("__")
        target = content
        for parent in parents:
            child = target.setdefault(parent, {})
            if not isinstance(child, dict):
                raise ConfigError(
                    "overrides inside something that is no mapping",
                    field=name,
                    hint="unset it, or the variable that it lies inside",
                )
            target = child
        target[leaf] = _env_value(name, value, _schemas_at(model, (*parents, leaf)))
        overridden[*parents, leaf] = name
    return overridden


@cache  # once, however many files of a kind are read
def _warn_of(name: str, model: type[BaseModel]) -> None:
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    known = {*_NOT_SETTINGS, *_variables(schema, schema.get("$defs", {}), ENV_PREFIX)}
    short = {_bare(one): one for one in sorted(known)}
    close = difflib.get_close_matches(_bare(name), short, n=1, cutoff=0.75)
    next_step = (
        f"did you mean {short[close[0]]}?" if close else f"a.b is {ENV_PREFIX}A__B; {_SCHEMA} shows what there is"
    )
    log.warning("%s in the environment names no setting and is ignored: %s", name, next_step)


def _bare(variable: str) -> str:
    """What two names are compared by: the usual slip is one underscore for two, and the prefix is alike in all."""
    return variable.removeprefix(ENV_PREFIX).upper().replace("__", "_")


def _variables(schema: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[str]:
    """The variables of what lies inside other settings; what stands at the top has none."""
    schema = _resolve(schema, definitions)
    for option in (schema, *schema.get("anyOf", []), *schema.get("oneOf", [])):
        for name, child in _resolve(option, definitions).get("properties", {}).items():
            variable = prefix + name.upper()
            if "__" in variable:
                yield variable
            if variable.count("__") < _DEEPEST:
                yield from _variables(child, definitions, f"{variable}__")


def _env_value(name: str, text: str, schemas: Sequence[Mapping[str, Any]]) -> Any:
    """As it stands where text is wanted, so that a password may be 12345 or #; else as YAML reads it."""
    wanted = {schema["type"] for schema in schemas if schema.get("type") not in {None, "null"}}
    if wanted == {"string"} and text not in {"", "null", "~"}:
        return text
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is no YAML: {text!r}", field=name, hint="correct the variable, or unset it") from error


class _Source(NamedTuple):
    """Where the values are from: a file's content, and by place the variables that override it."""

    path: Path
    node: yaml.Node | None
    overridden: Mapping[_Path, str]

    def variable(self, location: _Path) -> str | None:
        """The variable that says what is wrong there, if one does: it overrides the value, or the file has none there."""
        for place, name in self.overridden.items():
            same = (place[0], place[-1]) == (location[0], location[-1])
            if same or (place[: len(location)] == location and not _stands(self.node, location)):
                return name
        return None


def _problems(error: ValidationError, source: _Source, model: type[BaseModel]) -> list[ConfigError]:
    """Everything that is wrong, in the order of the file; what is wrong with a name before what follows from it."""
    problems = error.errors(include_url=False)
    wrong = {tuple(problem["loc"])[:depth] for problem in problems for depth in range(len(problem["loc"]))}
    found = [
        one
        for problem in sorted(problems, key=lambda problem: problem["type"] not in _UNKNOWN)
        if problem["type"] != "too_short"
        or tuple(problem["loc"]) not in wrong  # what is wrong in a list is not counted
        for one in _located(problem, source, model)
    ]
    first, *others = found  # a misspelt name also misses its field: the misspelling is told first
    return [first, *sorted(others, key=lambda one: one.line or 0)]


def _located(problem: ErrorDetails, source: _Source, model: type[BaseModel]) -> list[ConfigError]:
    location: _Path = tuple(problem["loc"])
    variable = source.variable(location) if location else None
    if variable is not None:
        message, hint = _explain(problem, location, model)
        return [ConfigError(message, field=variable, hint=hint)]
    node = source.node
    field = ".".join(str(part) for part in location) or "configuration"
    if problem["type"] == _SEVERAL:
        messages = [(message, _CORRECT) for message in problem["ctx"]["problems"]]
    else:
        messages = [_explain(problem, location, model)]
    return [
        ConfigError(
            message,
            file=str(source.path),
            line=_line(node, location) if location else _line_of(node, message.partition(":")[0]),
            field=field,
            hint=hint,
        )
        for message, hint in messages
    ]


def _explain(problem: ErrorDetails, location: _Path, model: type[BaseModel]) -> tuple[str, str]:
    if problem["type"] in _UNKNOWN:
        known = _fields_at(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        guess = f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(sorted(known)) or 'nothing'}"
        return "unknown setting", guess
    if problem["type"] == "union_tag_not_found":
        tag = str(problem["ctx"]["discriminator"]).strip("'")
        kinds = (schema.get("properties", {}).get(tag, {}).get("const") for schema in _schemas_at(model, location))
        return f"lacks `{tag}`", f"add one of: {', '.join(f'`{tag}: {kind}`' for kind in kinds if kind)}"
    message = problem["msg"].removeprefix("Value error, ")
    given = "" if problem["type"] in {"missing", "value_error"} else f", is {problem['input']!r}"
    return message + given, "add it" if problem["type"] == "missing" else _CORRECT


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Names the model allows at `location`, following nested models; empty where the way cannot be followed."""
    return [name for schema in _schemas_at(model, location) for name in schema.get("properties", {})]


def _schemas_at(model: type[BaseModel], location: Sequence[str | int]) -> list[dict[str, Any]]:
    """What the model allows at `location`: one schema, or each of a union's."""
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    for part in location:
        schema = _child_schema(schema, part, definitions)
    schema = _resolve(schema, definitions)
    options = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return [_resolve(option, definitions) for option in options] or [schema]


def _resolve(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = definitions.get(schema["$ref"].rsplit("/", 1)[-1], {})
    return schema


def _child_schema(schema: dict[str, Any], part: str | int, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _resolve(schema, definitions)
    tagged = schema.get("discriminator", {}).get("mapping", {}).get(part)
    if tagged is not None:
        return {"$ref": tagged}
    options = [schema, *schema.get("anyOf", []), *schema.get("oneOf", [])]
    for option in (_resolve(option, definitions) for option in options):
        if isinstance(part, int) and "items" in option:
            return dict(option["items"])
        if isinstance(part, str) and part in option.get("properties", {}):
            return dict(option["properties"][part])
        if isinstance(part, str) and isinstance(option.get("additionalProperties"), dict):
            return dict(option["additionalProperties"])
    return {}


def _line(node: yaml.Node | None, location: _Path) -> int | None:
    """The line of the deepest part of `location` that stands in the file."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    for part in location:
        child = _child_node(node, part)
        if child is None:
            continue  # the tag of a union stands in no file; what follows it does
        key, node = child
        line = key.start_mark.line + 1
    return line


def _stands(node: yaml.Node | None, location: _Path) -> bool:
    """Whether the file has something at `location`."""
    for part in location:
        child = None if node is None else _child_node(node, part)
        if child is None:
            return False
        node = child[1]
    return True


def _line_of(node: yaml.Node | None, subject: str) -> int | None:
    """The line of the first value `subject`: what a check over the whole file names first is what it is about."""
    pending = [node] if node is not None else []
    while pending:
        current = pending.pop(0)
        if isinstance(current, yaml.ScalarNode) and current.value == subject:
            return int(current.start_mark.line) + 1
        if isinstance(current, yaml.MappingNode):
            pending += [value for _, value in current.value]
        elif isinstance(current, yaml.SequenceNode):
            pending += current.value
    return node.start_mark.line + 1 if node is not None else None


def _child_node(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
