"""The house rules that a linter does not know: short functions, small files, `__all__` that exists."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = [
    "energy",
    "runtime",
    "messaging",
    "storage",
    "gateway",
    "collector",
    "api",
    "dashboards",
    "simulator",
    "papers",
    "cli",
]
FILES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts
)
LONGEST_FUNCTION = 60
LONGEST_FILE = 450


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short_says_its_job_and_exports_what_it_has(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says its one job at its top"
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, (
                f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
            )
    defined = {name for node in tree.body for name in _names(node)}
    assert set(_exported(tree)) <= defined


def test_what_others_import_is_what_a_module_exports():
    trees = {_module(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
    exported = {name: _exported(tree) for name, tree in trees.items()}
    taken = [
        (name, node.module, alias.name)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and exported.get(node.module)
        for alias in node.names
        if alias.name not in exported[node.module] and f"{node.module}.{alias.name}" not in trees
    ]
    assert taken == []


def _module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _exported(tree):
    """What stands in `__all__`; nothing where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return []


def _names(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.If):  # what is imported for the types alone, and by name when it is first asked for
        return [name for child in node.body for name in _names(child)]
    return []
