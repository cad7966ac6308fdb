"""What the page says of a file: how it stands, how far it is, its log. Its text is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape

from h5backends.file_text import readable
from h5backends.heartbeat import WriterState
from savers.view.model.progress import Progress
from savers.view.model.source import Standing

__all__ = ["age", "counted", "headline", "literal", "log_text", "paragraph"]

_STATES = {
    WriterState.WRITING: ("writing", "#1a7f37"),
    WriterState.FINISHED: ("finished", "#57606a"),
    WriterState.STALLED: ("stalled", "#bf8700"),
    WriterState.CRASHED: ("crashed", "#cf222e"),
    WriterState.UNKNOWN: ("unknown", "#57606a"),
}
_MEANING = {
    WriterState.STALLED: "the writer lives but gives no sign",
    WriterState.CRASHED: "the writer died; what it had flushed is shown",
    WriterState.UNKNOWN: "nothing is known about its writer",
}
_NOTHING = "\N{ZERO WIDTH SPACE}"
_BADGE = "color:white;border-radius:9px;padding:2px 10px;font-weight:600;background:"


def paragraph(text: str) -> str:
    """Return text of a file as it may stand on a page."""
    return escape(readable(text))


def literal(text: str) -> str:
    """Return text of a file as it may stand in a plot: without marks that begin a formula."""
    text = readable(text)
    for mark in ("$$", r"\(", r"\["):
        text = text.replace(mark, f"{mark[0]}{_NOTHING}{mark[1]}")
    return text


def counted(points: int, note: str = "") -> str:
    """Return how many points there are, and what else there is to say."""
    text = f"{points:,} points" if points != 1 else "1 point"
    return f"{text}; {note}" if note else text


def age(seconds: float) -> str:
    """Return for people how long ago something was."""
    if seconds < 0:
        return "just now"
    if seconds < 60:
        return f"{seconds:.1f} s ago"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days ago"
    return f"{hours} h {minutes:02d} min ago" if hours else f"{minutes} min {rest:02d} s ago"


def headline(name: str, standing: Standing, progress: Progress, now: float) -> str:
    """Return the line on top of the page.

    Parameters
    ----------
    name : str
        Of the file.
    standing : Standing
        How it stands.
    progress : Progress
        How far the data are.
    now : float
        Seconds since 1970.
    """
    word, colour = _STATES[standing.writer]
    if standing.trouble:
        word, colour = "not readable", "#cf222e"
    parts = [f"<b>{paragraph(name)}</b>", f'<span style="{_BADGE}{colour}">{word}</span>']
    if standing.trouble:
        parts.append(paragraph(f"{standing.trouble}. {standing.remedy}"))
    else:
        if meaning := _MEANING.get(standing.writer, ""):
            parts.append(escape(meaning))
        elif standing.who and standing.live:
            parts.append(escape(f"by {standing.who}"))
        parts.append(escape(_how_far(standing, progress, now)))
    return "&emsp;".join(part for part in parts if part)


def _how_far(standing: Standing, progress: Progress, now: float) -> str:
    if progress.points is None:
        return ""
    text = f"{progress.points:,}"
    text += f" of {progress.total:,} points" if progress.total is not None else " points"
    if progress.newest is None:
        return text
    if standing.writer in {WriterState.WRITING, WriterState.STALLED}:
        return f"{text}, the last one {age(now - progress.newest)}"
    try:
        moment = datetime.fromtimestamp(progress.newest)
    except (OverflowError, OSError, ValueError):
        return text
    return f"{text}, the last one {moment:%Y-%m-%d %H:%M:%S}"


def log_text(lines: Iterable[str]) -> str:
    """Return the log as a box that stays at its newest line."""
    style = (
        "height:108px;overflow:auto;display:flex;flex-direction:column-reverse;"
        "font:12px/1.4 monospace;white-space:pre-wrap;border:1px solid #d0d7de;"
        "border-radius:4px;padding:4px 8px;background:#f6f8fa"
    )
    # Its last element stands on top, and it is scrolled to its first.
    rows = "".join(f"<div>{paragraph(line)}</div>" for line in reversed(list(lines)))
    return f'<div style="{style}">{rows}</div>'
