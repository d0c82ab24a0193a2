"""1,000 members' documents as PDF and as Peppol XML: seconds, bytes, memory. `python -m benchmarks.papers`."""

from __future__ import annotations

import resource
import time
from dataclasses import replace

from papers.pdf import pdf
from papers.ubl import ubl
from tests.papers.example import TOWN, invoice

DOCUMENTS = 1_000


def main() -> None:
    first = invoice(member=TOWN)
    papers = [
        replace(
            first,
            language=("fr", "nl", "en", "de")[place % 4],
            document=replace(first.document, number=f"2026-{place:06d}"),
            member=replace(TOWN, name=f"Member {place}"),
        )
        for place in range(1, DOCUMENTS + 1)
    ]
    for name, make in (("PDF", pdf), ("Peppol XML", ubl)):
        began = time.perf_counter()
        size = sum(len(make(paper)) for paper in papers)
        took_s = time.perf_counter() - began
        print(f"{name}: {DOCUMENTS:,} in {took_s:.1f} s ({1000 * took_s / DOCUMENTS:.1f} ms each), {size / 1e6:.1f} MB")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
