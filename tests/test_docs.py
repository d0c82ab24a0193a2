"""The documents say what is so: links lead somewhere, metrics, routes and commands are described."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.metrics import ApiMetrics
from collector.metrics import Metrics
from energy.alerts.library import ready_rules

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
        ROOT / "simulator/data/ORIGIN.md",
    )
)
CONTRACT_ROUTES = [
    "/api/v1/communities",
    "/api/v1/sites",
    "/api/v1/sites/{site}",
    "/api/v1/sites/{site}/devices",
    "/api/v1/live",
    "/api/v1/live/stream",
    "/api/v1/sites/{site}/history",
    "/api/v1/alerts",
    "/api/v1/commands",
    "/api/v1/commands/release-all",
    "/api/v1/communities/{community}/forecast",
    "/api/v1/communities/{community}/plan",
    "/api/v1/communities/{community}/sharing",
    "/api/v1/communities/{community}/statements",
    "/api/v1/statements/{statement}",
    "/api/v1/sites/{site}/indicators",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not re.match(r"https?:|mailto:", target):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_metric_is_described():
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = {metric.name for metric in Metrics().registry.collect()} | {
        metric.name for metric in ApiMetrics()._registry.collect()
    }
    missing = [name for name in names if f"`{name}`" not in text and f"`{name}_total`" not in text]
    assert missing == []


def test_every_ready_rule_is_described_with_its_values():
    lines = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8").splitlines()
    for rule in ready_rules().values():
        (line,) = [line for line in lines if line.startswith(f"| `{rule.id}` |")]
        for value in (rule.limits.raise_at, rule.limits.clear_at, rule.limits.for_s, rule.limits.clear_for_s):
            assert f" {value:g} " in line, line
        assert f"| {rule.severity} |" in line


def test_every_route_of_the_contract_is_served():
    openapi = (ROOT / "tests" / "api" / "openapi.json").read_text(encoding="utf-8")
    assert [route for route in CONTRACT_ROUTES if f'"{route}"' not in openapi] == []


def test_every_decision_says_what_it_is_and_is_not():
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert "**Is.**" in text, page.name
        assert "**Is not.**" in text, page.name


def test_every_top_level_folder_stands_on_the_map():
    text = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {path.split("/")[0] for path in tracked if "/" in path and not path.startswith(".")} - {"docs", "scripts"}
    assert [folder for folder in sorted(folders) if f"`{folder}/" not in text] == []


def test_the_command_explains_itself():
    done = subprocess.run([sys.executable, "-m", "cli.main", "--help"], capture_output=True, text=True, check=True)
    for command in (
        "demo",
        "run",
        "gateway",
        "collector",
        "api",
        "simulate",
        "check",
        "schema",
        "settle",
        "sharing",
        "statements",
        "keys",
        "dashboards",
    ):
        assert command in done.stdout
