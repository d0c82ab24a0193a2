"""The report as one HTML page that stands alone: no script, nothing from elsewhere, made to be printed too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

__all__ = ["html"]

_STYLE: Final = """
:root{color-scheme:light;--ink:#1d2b33;--soft:#55626b;--rule:#c3ccd2;--band:#f1f4f6}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:2rem 1.25rem 4rem;color:var(--ink);background:#fff;
font:1rem/1.5 "Libertinus Serif",Georgia,"Times New Roman",serif}
h1{font-size:2rem;line-height:1.2;margin:0}
h2{font-size:1.3rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.3rem}
h3{font-size:1.05rem;margin:0}
p{margin:.5rem 0;max-width:46rem}
.soft{color:var(--soft)}.subject{font-size:1.25rem;margin:.3rem 0 1.5rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;margin:0;padding:0;list-style:none}
.facts li{border:1px solid var(--rule);border-radius:4px;padding:.7rem .8rem}
.facts span{display:block}.facts .value{font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.93rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:.5rem}
th,td{padding:.4rem .5rem;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top}
th:first-child,td:first-child,.text th,.text td{text-align:left}
thead th{font-weight:600;font-size:.85rem;color:var(--soft);vertical-align:bottom}
tbody th{font-weight:600}tfoot th,tfoot td{background:var(--band);font-weight:600}
.kind,.estimated{display:block;font-weight:400;font-size:.83rem;color:var(--soft)}
.class{display:inline-block;min-width:2rem;text-align:center;border:1.5px solid var(--ink);border-radius:3px;padding:0 .35rem;font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(28rem,100%),1fr));gap:1rem}
.card{border:1px solid var(--rule);border-radius:4px;padding:.9rem 1rem;break-inside:avoid;margin:0}
.worth{font-weight:600}.card svg,.chart svg{width:100%;height:auto;display:block;margin-top:.5rem}
.chart{margin:1rem 0;max-width:46rem}figcaption{font-size:.85rem;color:var(--soft)}
li{margin:.25rem 0}
@media print{body{padding:0;max-width:none;font-size:10pt}h2{break-after:avoid}tr,.facts li{break-inside:avoid}}
"""


def html(content: dict[str, Any]) -> str:
    """The page."""
    title = f"{content['title']}: {content['subject']}"
    parts = [
        f'<p class="soft">{_e(content["for"])}</p><h1>{_e(content["title"])}</h1><p class="subject">{_e(content["subject"])}</p>',
        _facts(content["facts"]),
        _section(content["short"]["heading"], "".join(f"<p>{_e(one)}</p>" for one in content["short"]["sentences"])),
        _buildings(content["buildings"]),
        _month(content["month"]),
        _savings(content["savings"]),
        _listed(content["targets"]),
        _listed(content["unknown"]),
        _rests(content["rests"]),
        f'<p class="soft">{_e(content["made"])}</p>',
    ]
    return (
        f'<!doctype html>\n<html lang="{content["language"]}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{_e(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main>\n{chr(10).join(parts)}\n</main></body></html>\n"
    )


def _e(text: object) -> str:
    return escape(str(text))


def _section(heading: str, inner: str) -> str:
    return f"<section><h2>{_e(heading)}</h2>{inner}</section>"


def _facts(facts: Sequence[dict[str, str]]) -> str:
    items = "".join(
        f'<li><span class="soft">{_e(one["name"])}</span><span class="value">{_e(one["value"])}</span>'
        f'<span class="soft">{_e(one["note"])}</span></li>'
        for one in facts
    )
    return f'<ul class="facts">{items}</ul>'


def _buildings(of: dict[str, Any]) -> str:
    head = "".join(f'<th scope="col">{_e(name)}</th>' for name in of["columns"])
    rows = "".join(_building(row) for row in of["rows"])
    foot = "".join(f"<td>{_e(cell)}</td>" for cell in of["total"]["cells"])
    table = (
        f'<div class="scroll" role="region" aria-label="{_e(of["heading"])}" tabindex="0"><table><caption>{_e(of["note"])}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
        f'<tfoot><tr><th scope="row">{_e(of["total"]["name"])}</th>{foot}<td></td></tr></tfoot></table></div>'
    )
    return _section(of["heading"], table)


def _building(row: dict[str, Any]) -> str:
    *numbers, class_, change, known = row["cells"]
    cells = "".join(f"<td>{_e(cell)}</td>" for cell in numbers)
    letter = f'<span class="class">{_e(class_)}</span>' if len(class_) <= 3 else _e(class_)
    estimated = f'<span class="estimated">{_e(row["estimated"])}</span>' if row["estimated"] else ""
    return (
        f'<tr><th scope="row">{_e(row["name"])}<span class="kind">{_e(row["kind"])}</span></th>{cells}'
        f"<td>{letter}</td><td>{_e(change)}</td><td>{_e(known)}{estimated}</td><td>{row['trend']}</td></tr>"
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str, kind: str = "") -> str:
    head = "".join(f'<th scope="col">{_e(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{_e(row[0])}</th>{"".join(f"<td>{_e(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{_e(caption)}" tabindex="0"><table class="{kind}">'
        f"<caption>{_e(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _month(of: dict[str, Any]) -> str:
    chart = of["chart"]
    figure = (
        f'<figure class="chart">{chart["svg"]}<figcaption>{_e(chart["alt"])}</figcaption></figure>'
        if chart["svg"]
        else ""
    )
    return _section(of["heading"], _table(of["columns"], of["rows"], of["heading"]) + figure)


def _savings(of: dict[str, Any]) -> str:
    cards = "".join(
        f'<article class="card"><h3>{_e(card["name"])}</h3><p class="worth">{_e(card["worth"])}</p>'
        f"<p>{_e(card['text'])}</p><figure class='chart'>{card['svg']}<figcaption>{_e(card['axis'])}</figcaption></figure></article>"
        for card in of["cards"]
    )
    more = ""
    if of["more"]["items"]:
        items = "".join(f"<li>{_e(item)}</li>" for item in of["more"]["items"])
        more = f"<h3>{_e(of['more']['heading'])}</h3><ul>{items}</ul>"
    return _section(of["heading"], f'<p>{_e(of["note"])}</p><div class="cards">{cards}</div>{more}')


def _listed(of: dict[str, Any]) -> str:
    if not of["items"]:
        return ""
    return _section(of["heading"], f"<ul>{''.join(f'<li>{_e(item)}</li>' for item in of['items'])}</ul>")


def _rests(of: dict[str, Any]) -> str:
    table = _table(of["columns"], of["rows"], of["heading"], "text") if of["rows"] else ""
    return _section(of["heading"], f"<p>{_e(of['degree_days'])}</p>{table}")
