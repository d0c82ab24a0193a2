"""`python alone.py ARGUMENTS`: the `commonwatt` command where only `commonwatt[gateway]` is installed.

No module can be imported that an installed distribution brings and the gateway's extra does not ask for.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def with_all_it_brings(requirement, found):
    """Adds to `found` the names of `requirement` and of everything that it asks for, with their extras."""
    extras = requirement.extras or {""}
    key = (canonicalize_name(requirement.name), frozenset(extras))
    if key in found:
        return
    found.add(key)
    try:
        needs = requires(requirement.name) or []
    except PackageNotFoundError:  # for another system
        return
    for need in map(Requirement, needs):
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
            with_all_it_brings(need, found)


def absent_modules():
    """Top-level modules of installed distributions that the gateway does not bring."""
    found = set()
    with_all_it_brings(Requirement("commonwatt[gateway]"), found)
    names = {name for name, _ in found}
    owners_of = packages_distributions()
    return {module for module, owners in owners_of.items() if not names & {canonicalize_name(o) for o in owners}}


class NotInstalled(MetaPathFinder):
    """Refuses modules by their first name."""

    def __init__(self, absent):
        self.absent = absent

    def find_spec(self, fullname, _path=None, _target=None):
        if fullname.partition(".")[0] in self.absent:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def main():
    absent = absent_modules()
    for name in [name for name in sys.modules if name.partition(".")[0] in absent]:
        del sys.modules[name]
    sys.meta_path.insert(0, NotInstalled(absent))
    from cli.main import main as command

    sys.argv[0] = "commonwatt"
    command()


if __name__ == "__main__":
    main()
