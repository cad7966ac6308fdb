"""What a torture found, and the table of all of them: the one way in which every line reports."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

__all__ = ["Finding", "table"]

_MOST_TOLD = 20


@dataclass
class Finding:
    """What came of one line.

    Parameters
    ----------
    line : str
        Which one.
    load : str
        The load that was held, with figures.
    survived : int
        Faults that were brought about and survived.
    tried : int
        Bad inputs that were tried, and refused or read as they stand.
    flushed : int
        Rows that had been promised to be there.
    lost : int
        Rows of these that were not there, or not as they were given.
    seconds : float
        How long it took.
    problems : list of str
        What was lost, hung, crashed or said something wrong.
    skipped : str
        Why it cannot be done here; empty where it was done.
    ended : bool
        Whether it came to its end.
    """

    line: str
    load: str = ""
    survived: int = 0
    tried: int = 0
    flushed: int = 0
    lost: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    ended: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, hung or crashed."""
        return not self.lost and not self.problems

    @property
    def verdict(self) -> str:
        """What it comes to, in a few words."""
        if not self.is_clean:
            return f"FAILED: {len(self.problems)} problems"
        if self.skipped:
            return f"skipped: {self.skipped}"
        return "held" if self.ended else "interrupted"

    def problem(self, words: str) -> None:
        """Note something that is wrong."""
        if len(self.problems) < _MOST_TOLD:
            self.problems.append(words)

    def text(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def restore(cls, text: str | bytes) -> Finding:
        """Return what `text` made a line of."""
        return cls(**json.loads(text))


def table(findings: list[Finding]) -> str:
    """Return the table of all lines, as it stands in the documentation."""
    rows = [
        "| torture | load held | faults survived | bad inputs tried | rows flushed | rows lost "
        "| seconds | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    total = Finding("all", ended=all(each.ended or each.skipped for each in findings))
    for each in findings:
        rows.append(_row(each, each.line, each.load))
        for name in ("survived", "tried", "flushed", "lost", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(each, name))
        total.problems.extend(each.problems)
    return "\n".join([*rows, _row(total, "**all**", "")])


def _row(each: Finding, name: str, load: str) -> str:
    lost = "**none**" if not each.lost else f"{each.lost:,}"
    return (
        f"| {name} | {load or '-'} | {each.survived:,} | {each.tried:,} | {each.flushed:,} "
        f"| {lost} | {each.seconds:.0f} | {each.verdict} |"
    )
