"""The command ``tree``: what is in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from h5backends.nodes import CARRAY, EARRAY, GROUP, Node, StringARRAY
from savers.cli import options
from savers.cli.console import out
from savers.node_info import TOLD_ANYWAY
from savers.plain import plain

__all__ = ["tree"]

_LONGEST = 200


def tree(
    file: options.File,
    *,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Levels to show.  [default: all]", show_default=False
        ),
    ] = None,
    attrs: Annotated[bool, typer.Option("--attrs", help="Show attributes too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the groups and arrays of a file: kind, shape, type, unit and title.

    Also of a file that is being written for live readers, or that such a writer left behind.
    """
    place = options.find_place(file, backend, endpoint, username, password)
    with place.open_for_reading() as h5:
        described = _described(h5.root(), depth, attrs)
    if as_json:
        json.dump(described, sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
        return
    described["name"] = place.location
    for line in _lines(described):
        out.print(line, soft_wrap=True)


def _described(node: Node, depth: int | None, with_attrs: bool) -> dict[str, Any]:
    """Describe a node and what is in it, as it goes into JSON."""
    attrs = node.attrs.to_dict()
    found: dict[str, Any] = {
        "name": node.name,
        "path": node.path,
        "kind": "STRING" if isinstance(node, StringARRAY) else type(node).__name__,
        "title": str(attrs.get("TITLE", "")),
    }
    if isinstance(node, CARRAY):
        found["shape"] = list(node.shape)
        found["dtype"] = "text" if isinstance(node, StringARRAY) else str(node.dtype)
        found["units"] = str(attrs.get("units", ""))
        found["grows"] = isinstance(node, EARRAY)
    if with_attrs:
        found["attrs"] = {k: plain(v) for k, v in attrs.items() if k not in TOLD_ANYWAY}
    if isinstance(node, GROUP):
        below = None if depth is None else depth - 1
        # Below the last level children are only counted, which does not open them.
        if depth == 0:
            found["children_count"] = len(node.children_name())
        else:
            children = node.children().values()
            found["children"] = [_described(child, below, with_attrs) for child in children]
    return found


def _lines(node: dict[str, Any], first: str = "", rest: str = "") -> Iterator[Text]:
    """Draw a described node, line by line."""
    yield Text(first, style="dim").append_text(_line(node))
    children = node.get("children", [])
    bar = "│  " if children else "   "
    for name, value in node.get("attrs", {}).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text = " ".join(text.split())
        if len(text) > _LONGEST:
            text = text[:_LONGEST] + "…"
        yield Text(f"{rest}{bar}", style="dim").append(f"@{name} = ", "dim").append(text, "dim")
    for index, child in enumerate(children):
        is_last = index == len(children) - 1
        branch, space = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _lines(child, rest + branch, rest + space)


def _line(node: dict[str, Any]) -> Text:
    line = Text(node["name"], style="bold blue" if node["kind"] == "GROUP" else "bold")
    if node["kind"] != "GROUP":
        line.append(f"  {node['kind']}", "magenta")
        line.append("  " + _shape(node), "cyan")
        line.append(f"  {node['dtype']}")
        if node["units"]:
            line.append(f"  [{node['units']}]", "green")
    elif count := node.get("children_count"):
        line.append(f"  ({count} inside)", "dim")
    if node["title"]:
        line.append(f"  {node['title']}", "italic dim")
    return line


def _shape(node: dict[str, Any]) -> str:
    shape = node["shape"]
    if node["grows"] and shape:
        # The plus says that rows may still come.
        return " x ".join([f"{shape[0]}+", *map(str, shape[1:])])
    return " x ".join(map(str, shape)) or "scalar"
