"""The live page's sources: accessible, in every language, and from our own origin only. Needs no Node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "api" / "web"
SOURCES = sorted((WEB / "src").rglob("*.ts"))
STYLES = sorted((WEB / "src").rglob("*.css"))
LANGUAGES = sorted((WEB / "src" / "i18n").glob("*.json"))
FLOWS = ("pv", "consumption", "battery", "import", "export", "shared")


class Page(HTMLParser):
    """The start tags of a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page() -> Page:
    return Page((WEB / "index.html").read_text())


def source(name: str) -> str:
    return (WEB / "src" / name).read_text()


def palette(scheme: str) -> dict[str, str]:
    """The colour variables of one scheme, as `#rrggbb`."""
    light, dark = source("styles/tokens.css").split("@media screen and (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark))


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_on_ground() -> Iterator[tuple[str, str]]:
    for text in ("ink", "muted", "accent", "ok", "warning", "danger", *FLOWS):
        yield from ((text, "paper"), (text, "surface"))
    yield from (
        ("band-ink", "band"),
        ("band-muted", "band"),
        ("sun", "band"),
        ("live", "band"),
        ("band", "band-ink"),
        ("band", "sun"),
    )
    yield from (("ink", "warning-fill"), ("warning", "warning-fill"), ("on-alarm", "alarm"), ("surface", "accent"))


def test_contrast_of_the_standards_own_extremes_is_right() -> None:
    """Black on white is 21:1, #767676 on white is the known 4.54:1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), list(text_on_ground()))
def test_text_colour_on_its_ground_keeps_4_5_to_1(scheme: str, text: str, ground: str) -> None:
    colours = palette(scheme)
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_both_schemes_define_the_same_colours() -> None:
    assert palette("light").keys() == palette("dark").keys()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_flow_has_a_colour_of_its_own_and_a_fill(scheme: str) -> None:
    colours = palette(scheme)
    assert len({colours[flow] for flow in FLOWS}) == len(FLOWS)
    assert len({colours[f"{flow}-fill"] for flow in FLOWS}) == len(FLOWS)


def test_colours_are_named_in_one_place() -> None:
    """Elsewhere a colour is a variable."""
    found = [
        colour
        for path in (*STYLES, *SOURCES)
        if path.name != "tokens.css"
        for colour in re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text())
    ]
    assert not found


def test_page_names_its_language_title_and_viewport(page: Page) -> None:
    attributes = dict(page.tags)
    assert attributes["html"]["lang"] == "en"
    assert "title" in attributes
    viewport = next(tag["content"] for name, tag in page.tags if name == "meta" and tag.get("name") == "viewport")
    assert viewport == "width=device-width, initial-scale=1"  # zooming stays possible


def test_page_follows_the_chosen_language() -> None:
    assert "document.documentElement.lang = this.language" in source("main.ts")


def test_page_without_javascript_links_to_the_numbers(page: Page) -> None:
    names = [name for name, _ in page.tags]
    links = [tag["href"] for name, tag in page.tags[names.index("noscript") :] if name == "a"]
    assert "./api/v1/live" in links


def test_headings_start_at_one_and_skip_no_level(page: Page) -> None:
    static = [int(name[1]) for name, _ in page.tags if re.fullmatch(r"h[1-6]", name)]
    assert static == [1]
    built = {str(path.relative_to(WEB / "src")): re.findall(r"h\(\s*'h([1-6])'", path.read_text()) for path in SOURCES}
    assert [name for name, levels in built.items() if "1" in levels] == [
        "buildings/main.ts", "me.ts", "sizing/main.ts", "statements/main.ts", "views/page.ts"
    ]  # fmt: skip
    built["views/site_panel.ts"] += built.pop("views/wanted.ts")  # stands in its section
    built["statements/parts.ts"] += built.pop("statements/late.ts")  # in one of its panels
    for higher, lower in (("2", "3"), ("3", "4")):
        assert not [name for name, levels in built.items() if lower in levels and higher not in levels]
    assert not [name for name, levels in built.items() if set(levels) - {"1", "2", "3", "4"}]


def test_every_section_and_dialog_is_labelled_by_a_heading_that_exists() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert len(re.findall(r"h\(\s*'(?:section|dialog)'", text)) == text.count("'aria-labelledby':"), path.name
        for label in re.findall(r"'aria-labelledby': ('[^']+'|`[^`]+`)", text):
            assert re.search(rf"id: {re.escape(label)}", text), f"{path.name}: {label}"


def test_every_control_has_a_label() -> None:
    """Each select and input has an id, and a label that names this id."""
    for path in SOURCES:
        text = path.read_text()
        for control in re.findall(r"h\(\s*'(?:select|input)', \{ ([^}]*)", text):
            name = re.match(r"id(?:: '([\w-]+)')?(?:,| })", f"{control}}}")
            assert name, f"{path.name}: {control}"
            labels = {f"for: '{name[1]}'" if name[1] else "for: id", "for: control.id"}
            assert any(label in text for label in labels), f"{path.name}: {control}"


def test_icons_are_hidden_from_screen_readers() -> None:
    assert "'aria-hidden': 'true'" in source("icons.ts")


def test_live_region_is_polite_and_quiet_for_half_a_minute() -> None:
    text = source("views/announcer.ts")
    assert "'aria-live': 'polite'" in text
    assert "QUIET_MS = 30_000" in text


def test_focus_is_visible_and_motion_can_be_switched_off() -> None:
    styles = "".join(path.read_text() for path in STYLES)
    assert re.search(r":focus-visible \{\s+outline: 3px", styles)
    assert "prefers-reduced-motion: reduce" in styles


def test_targets_are_at_least_24_px() -> None:
    """No control may be lower than 1.5rem; the root size is at least 16 px."""
    styles = "".join(path.read_text() for path in STYLES)
    heights = [float(value) for value in re.findall(r"min-block-size: ([\d.]+)rem", styles)]
    assert heights
    assert min(heights) >= 1.5
    assert "font-size: clamp(1rem," in styles


def test_nothing_is_inline(page: Page) -> None:
    """The policy `default-src 'self'` would refuse it."""
    for name, attributes in page.tags:
        assert name != "style"
        assert name != "script" or attributes.get("src")
        assert not [key for key in attributes if key == "style" or key.startswith("on")]
    for path in SOURCES:
        text = path.read_text()
        assert not re.search(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval)\b", text), path.name
        assert not re.search(r"setAttribute\(\w+, 'style'|\bstyle: (?!'(?:percent|currency)')['`]|h\('style'", text), (
            path.name
        )


def test_nothing_comes_from_another_origin() -> None:
    for path in (*WEB.glob("*.html"), *SOURCES, *STYLES):
        addresses = set(re.findall(r"https?://[^\s'\"`)]+|url\(|@import|data:image", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name  # a name, not an address


def test_dependencies_are_pinned_and_name_no_registry() -> None:
    manifest = json.loads((WEB / "package.json").read_text())
    lock = json.loads((WEB / "package-lock.json").read_text())
    wanted = manifest["dependencies"] | manifest["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def texts(path: Path) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def test_page_speaks_the_languages_of_belgium_and_english() -> None:
    assert [path.stem for path in LANGUAGES] == ["de", "en", "fr", "nl"]


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_language_has_the_keys_and_placeholders_of_english(path: Path) -> None:
    def placeholders(text: str) -> list[str]:
        return sorted(re.findall(r"\{\w+\}", text))

    english = texts(WEB / "src" / "i18n" / "en.json")
    own = texts(path)
    assert own.keys() == english.keys()
    assert {key: placeholders(text) for key, text in own.items()} == {
        key: placeholders(text) for key, text in english.items()
    }
    assert not [key for key, text in own.items() if not text.strip()]


def test_keys_name_screen_component_and_purpose() -> None:
    english = texts(WEB / "src" / "i18n" / "en.json")
    assert not [key for key in english if not re.fullmatch(r"[a-z]+\.[a-z]+\.[a-z0-9_]+", key)]


def test_no_text_is_written_into_a_view() -> None:
    """Words belong to the language files: no child of an element is a literal phrase, save the product's own name."""
    allowed = {"common", "watt", " "}
    for path in sorted((WEB / "src" / "views").glob("*.ts")):
        literals = set(re.findall(r"\},\s*'([A-Za-z ][^']*)'\s*[,)]", path.read_text()))
        assert literals <= allowed, path.name
