"""Tables that show what their source holds at any time."""

from __future__ import annotations

from typing import Any

from bokeh.models import ColumnDataSource, CustomJS, DataTable

__all__ = ["live_table"]


def live_table(source: ColumnDataSource, **options: Any) -> DataTable:
    """Return a table of text without numbered rows.

    Parameters
    ----------
    source : ColumnDataSource
        What it shows; a browser alone would not draw it again for as many rows as before.
    **options
        For the table.
    """
    table = DataTable(source=source, index_position=None, reorderable=False, **options)
    source.js_on_change("data", CustomJS(args={"view": table.view}, code="view.change.emit()"))
    return table
