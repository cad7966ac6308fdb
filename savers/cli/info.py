"""The command ``info``: what one node of a file is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from h5backends.nodes import CARRAY, GROUP, Node
from savers.cli import options
from savers.cli.console import counted, out, quantity
from savers.exporters.belonging import refreshed
from savers.low_level import H5SaverLowLevel
from savers.node_info import TOLD_ANYWAY, NodeInfo
from savers.plain import plain
from savers.view.model.choice import array_to_plot
from savers.view.model.dims import Array, describe

__all__ = ["info"]

_WIDTH = 13
_LONGEST = 200


def info(
    file: options.File,
    node: options.Node = "/",
    *,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what a node is: kind, shape, type, unit, axes, storage, attributes.

    Values are not read, so an array of any size is told at once. Without NODE the file itself.
    """
    place = options.find_place(file, backend, endpoint, username, password)
    with place.open_saver() as h5:
        described = _described(h5, h5.get_node(node))
    if as_json:
        json.dump(described, sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
        return
    for line in _lines(described):
        out.print(line, soft_wrap=True)


def _described(h5: H5SaverLowLevel, node: Node) -> dict[str, Any]:
    """Describe a node as it goes into JSON."""
    if isinstance(node, CARRAY):
        refreshed(node)
    about = NodeInfo.of(node)
    found: dict[str, Any] = {
        "file": h5.filename,
        "path": about.path,
        "kind": about.kind,
        "title": about.title,
    }
    if isinstance(node, GROUP):
        plot = array_to_plot(node)
        found |= {"children": node.children_name(), "plot": None if plot is None else plot.path}
    if isinstance(node, CARRAY):
        found |= {
            "shape": list(about.shape or ()),
            "grows": about.grows,
            "dtype": about.dtype,
            "label": about.label,
            "units": about.units,
            "axes": list(_axes(describe(h5, node))),
            "nbytes": about.nbytes,
            "chunks": None if about.chunks is None else list(about.chunks),
            "compression": _compression(about),
        }
    attributes = {k: v for k, v in about.attributes.items() if k not in TOLD_ANYWAY}
    return found | {"attributes": plain(attributes)}


def _axes(array: Array) -> Iterator[dict[str, Any]]:
    for dim, length in zip(array.dims, array.shape, strict=True):
        first, last = None, None
        if dim.axis is not None and length:
            first, last = (float(dim.positions(n, n + 1)[0]) for n in (0, length - 1))
        yield {
            "label": dim.label,
            "units": dim.units,
            "path": None if dim.axis is None else dim.axis.path,
            "length": length,
            "first": plain(first),
            "last": plain(last),
            "of_the_scan": dim.navigation,
        }


def _compression(info: NodeInfo) -> dict[str, Any] | None:
    filters = info.filters
    if filters is None or not (filters.codec or filters.shuffle or filters.fletcher32):
        return None
    return {
        "codec": filters.codec,
        "level": filters.level,
        "shuffle": bool(filters.shuffle),
        "fletcher32": bool(filters.fletcher32),
    }


# -- for people -----------------------------------------------------------------------------------
def _lines(node: dict[str, Any]) -> Iterator[Text]:
    yield Text(node["path"], style="bold")
    yield from _row("file", node["file"])
    yield from _row("title", node["title"])
    if node["kind"] == GROUP.__name__:
        yield from _row("kind", f"group, {counted(len(node['children']), 'node')} inside")
        yield from _row("inside", ", ".join(node["children"]))
        yield from _row("plot", node["plot"])
    else:
        yield from _array_rows(node)
    if node["attributes"]:
        yield Text("attributes", style="dim")
    for name, value in node["attributes"].items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield Text(f"  {name} = ", "dim").append(_short(text))


def _array_rows(node: dict[str, Any]) -> Iterator[Text]:
    yield from _row("kind", f"{node['kind']}{', it can grow' if node['grows'] else ''}")
    yield from _row("shape", " x ".join(map(str, node["shape"])) or "scalar")
    yield from _row("type", node["dtype"])
    yield from _row("label", node["label"])
    yield from _row("unit", node["units"])
    for number, axis in enumerate(node["axes"]):
        yield from _row(f"axis {number}", _axis_text(axis))
    if node["nbytes"] is not None:
        yield from _row("size", quantity(node["nbytes"], "byte"))
    if node["chunks"]:
        yield from _row("chunks", " x ".join(map(str, node["chunks"])))
    if packed := node["compression"]:
        level = "" if packed["level"] is None else f" {packed['level']}"
        parts = [f"{packed['codec']}{level}"] if packed["codec"] else []
        parts += [name for name in ("shuffle", "fletcher32") if packed[name]]
        yield from _row("compression", ", ".join(parts))


def _axis_text(axis: dict[str, Any]) -> str:
    text = f"{axis['label']}, {counted(axis['length'], 'point')}"
    if axis["first"] is not None and axis["last"] is not None:
        text += f", {axis['first']:.6g} to {axis['last']:.6g} {axis['units']}".rstrip()
    return text + (", of the scan" if axis["of_the_scan"] else "")


def _row(label: str, value: str | None) -> Iterator[Text]:
    if value:
        yield Text(f"  {label + ':':<{_WIDTH}}", "dim").append(_short(value))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
