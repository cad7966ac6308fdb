"""Every torture: ``python -m tests.torture [LINE ...] [--minutes N] [--seed N]``.

Each runs in a process of its own, so that one which hangs or crashes is told, and nothing is left
behind. At the end, or at Ctrl-C, a table: the load, the faults survived, the bad inputs tried, the
rows flushed and the rows lost. It ends with 1 if anything was lost, hung or crashed, and with 130
after Ctrl-C. Half of the time is for the soak: 10 minutes of the 20 that are taken without
``--minutes``.
"""

from __future__ import annotations

import argparse
import random
import sys

from tests.torture.finding import Finding, table
from tests.torture.lines import LINES, module_of, share
from tests.torture.runner import run_line

_MINUTES = 20.0


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("line", nargs="*", help=f"of: {', '.join(LINES)}; all without")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="for all of them together")
    parser.add_argument("--seed", type=int, help="decides what is left to chance; else random")
    asked = parser.parse_args()
    if unknown := set(asked.line) - set(LINES):
        parser.error(
            f"no such torture: {', '.join(sorted(unknown))}. There are: {', '.join(LINES)}"
        )
    if not asked.minutes > 0:
        parser.error(f"--minutes must be positive, not {asked.minutes}")
    seed = random.randrange(10_000) if asked.seed is None else asked.seed
    return torment(asked.line or list(LINES), asked.minutes, seed)


def torment(lines: list[str], minutes: float, seed: int) -> int:
    """Run some of the tortures, print the table, and return the exit code."""
    findings: list[Finding] = []
    code = 0
    print(f"seed {seed}", flush=True)
    try:
        for line in lines:
            findings.append(run_line(module_of(line), share(line, minutes), seed, _tell))
            _tell(findings[-1], "\n")
            for problem in findings[-1].problems:
                print(f"  {problem}", file=sys.stderr, flush=True)
    except KeyboardInterrupt as interrupt:
        findings.extend(each for each in interrupt.args if isinstance(each, Finding))
        code = 130
    print(f"\n{table(findings)}", flush=True)
    if not all(each.is_clean for each in findings):
        return 1
    return code


def _tell(finding: Finding, end: str = "") -> None:
    """Show what there is so far: again and again in a terminal, at the end of a line elsewhere."""
    if end or sys.stdout.isatty():
        start = "\r\033[K" if sys.stdout.isatty() else ""
        words = (
            f"{start}{finding.line}: {finding.load or 'at work'}; {finding.survived:,} faults, "
            f"{finding.flushed:,} rows, {finding.lost:,} lost, {finding.seconds:.0f} s"
        )
        print(words + (f"; {finding.verdict}" if end else ""), end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
