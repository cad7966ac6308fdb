"""The left side of the page: the tree, a field to narrow it, the attributes of what is chosen."""

from __future__ import annotations

from typing import Any

from bokeh.layouts import column
from bokeh.models import ColumnDataSource, DataTable, Div, TableColumn, TextInput

from savers.view.model.tree import Row
from savers.view.model.viewer import Viewer
from savers.view.page.tables import live_table

__all__ = ["TreeTable"]

_INDENT = "\N{EM SPACE}"
_OPEN = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
_SHUT = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
_WIDTH = 380


class TreeTable:
    """The tree and the attributes.

    Parameters
    ----------
    viewer : Viewer
        Hears what the person wants.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._rows: list[Row] = []
        self._busy = False
        self._nodes = ColumnDataSource({"name": [], "detail": []}, name="tree")
        self._attributes = ColumnDataSource({"name": [], "value": []}, name="attributes")
        tree = _table(self._nodes, {"name": 190, "detail": 170}, "tree_table")
        tree.header_row = False
        attributes = _table(self._attributes, {"name": 130, "value": 230}, "attribute_table")
        attributes.height, attributes.sizing_mode = 220, "fixed"
        narrow = TextInput(
            placeholder="show only names with …", name="narrow", width=_WIDTH, height=30
        )
        narrow.on_change("value_input", self._on_narrow)
        self._nodes.selected.on_change("indices", self._on_click)
        heading = Div(text="<b>Attributes</b>", width=_WIDTH, height=16)
        self.layout = column(
            narrow, tree, heading, attributes, width=_WIDTH, sizing_mode="stretch_height"
        )

    def show_rows(self, rows: list[Row], chosen: str | None) -> None:
        """Show the tree."""
        self._rows = rows
        self._busy = True
        self._nodes.data = {
            "name": [_INDENT * row.level + _sign(row) + row.name for row in rows],
            "detail": [row.detail for row in rows],
        }
        self._mark(chosen)
        self._busy = False

    def show_attributes(self, attributes: list[tuple[str, str]]) -> None:
        """Show the attributes of what is chosen."""
        names, values = zip(*attributes, strict=True) if attributes else ((), ())
        self._attributes.data = {"name": list(names), "value": list(values)}

    def _mark(self, chosen: str | None) -> None:
        # A group stays unmarked: it could not be clicked again to close it.
        marked = [
            n
            for n, row in enumerate(self._rows)
            if row.path == chosen and not row.is_group and not row.is_more
        ]
        if self._nodes.selected.indices != marked:
            self._nodes.selected.indices = marked

    def _on_click(self, name: str, old: list[int], new: list[int]) -> None:
        if self._busy or not new or new[-1] >= len(self._rows):
            return
        row = self._rows[new[-1]]
        if row.is_more:
            self._viewer.more(row.path)
        elif row.is_group:
            self._viewer.toggle(row.path)
        else:
            self._viewer.select(row.path)

    def _on_narrow(self, name: str, old: str, new: str) -> None:
        self._viewer.narrow(new)


def _sign(row: Row) -> str:
    if row.is_group:
        return f"{_OPEN if row.is_open else _SHUT} "
    return "" if row.is_more else f"{_INDENT} "


def _table(source: Any, widths: dict[str, int], name: str) -> DataTable:
    columns = [
        TableColumn(field=field, title=field, width=width, sortable=False)
        for field, width in widths.items()
    ]
    return live_table(
        source,
        columns=columns,
        name=name,
        autosize_mode="none",
        row_height=22,
        width=_WIDTH,
        sizing_mode="stretch_height",
    )
