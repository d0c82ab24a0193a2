"""Every error of the product derives from one root, and `__all__` is exact."""

import importlib
import inspect
import pkgutil

import energy.errors
from energy.errors import CommonwattError, ConfigError
from tests.test_style import PACKAGES


def _modules():
    for package in PACKAGES:
        root = importlib.import_module(package)
        for info in pkgutil.walk_packages(root.__path__, f"{package}."):
            if ".migrations." not in info.name:  # steps that Alembic alone can run
                yield importlib.import_module(info.name)


def test_every_public_error_derives_from_the_root():
    strays = [
        f"{module.__name__}.{name}"
        for module in _modules()
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == module.__name__
        if not issubclass(value, CommonwattError) and not name.startswith("_")
    ]
    assert strays == []


def test_error_exports_are_exact():
    defined = {
        name
        for name, value in vars(energy.errors).items()
        if inspect.isclass(value) and value.__module__ == "energy.errors"
    }
    assert set(energy.errors.__all__) == defined


def test_config_error_names_file_line_and_field_and_the_next_step():
    error = ConfigError("unknown setting", file="a.yaml", line=3, field="mqtt.prt", hint="did you mean `port`?")
    assert str(error) == "a.yaml:3: mqtt.prt: unknown setting\n  next: did you mean `port`?"
