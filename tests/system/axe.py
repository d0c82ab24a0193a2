"""axe-core over an open page: what it finds wrong for people who read with a screen reader, a keyboard or weak eyes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from tests.system.browser import Page

SCRIPT: Final = Path(__file__).parents[2] / "api" / "web" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS: Final = {"desktop": (1400, 1500), "phone": (390, 1700)}
SCHEMES: Final = ("light", "dark")
_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """One line for each element that breaks a rule of WCAG 2.2 AA or of good practice; skips the test without axe-core."""
    if not SCRIPT.is_file():
        pytest.skip("axe-core is not installed: npm ci in api/web")
    page.evaluate(f"{SCRIPT.read_text(encoding='utf-8')}; 0")
    told = page.evaluate(
        f"axe.run(document, {{runOnly: {json.dumps(_TAGS)}, resultTypes: ['violations']}}).then(({{violations}}) => "
        "violations.flatMap(({id, impact, help, nodes}) => nodes.map(({target, failureSummary}) => "
        "`${id} (${impact}): ${help} | ${target.join(' ')} | ${failureSummary.split('\\n').slice(1).join(' ').trim()}`)))"
    )
    assert isinstance(told, list)
    return told


def violations_in_all_looks(page: Page) -> list[str]:
    """What is wrong on the open page in light and dark, on a desktop and a phone, with everything unfolded.

    At the end something wrong is put into it, which must be found: a run that sees nothing proves nothing.
    """
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    found = []
    for scheme in SCHEMES:
        page.prefer(scheme)
        for name, (width, height) in WIDTHS.items():
            page.resize(width, height)
            found += [f"{scheme} {name}: {line}" for line in violations(page)]
    page.evaluate("(document.querySelector('dialog[open]') ?? document.querySelector('main')).append(new Image())")
    assert any("image-alt" in line for line in violations(page))
    return found
