"""The crash campaign in full: ``python -m tests.crash [KIND ...] [--count N] [--first SEED]``.

Kills writers at random moments and prints the table of what was lost. Without arguments it takes
about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import sys

from tests.crash.campaign import KINDS, Tally, campaign, places, table


def main() -> int:
    """Run it; 1 if anything was lost or torn."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("kind", nargs="*", help=f"of: {', '.join(KINDS)}; all where none is given")
    parser.add_argument("--count", type=int, help="how many of each kind")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    asked = parser.parse_args()
    tallies: list[Tally] = []
    for kind, count in KINDS.items():
        if asked.kind and kind not in asked.kind:
            continue
        with places(kind.split(",")[0]) as make_place:
            tallies.append(campaign(kind, asked.count or count, make_place, asked.first))
        for words in [*tallies[-1].lost, *tallies[-1].torn]:
            print(f"{kind}: {words}", file=sys.stderr)
        print(table(tallies[-1:]), flush=True)
    print("\n" + table(tallies))
    return 0 if all(tally.is_clean for tally in tallies) else 1


if __name__ == "__main__":
    sys.exit(main())
