"""NeXus groups for results, and the axes that they share with the data they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from h5backends import copying, creation
from h5backends.backend import H5Backend
from h5backends.nodes import GROUP

__all__ = ["copy_nexus_axes", "create_nxdata", "create_nxentry"]


def create_nxentry(fh: Any, name: str, default: bool = True) -> Any:
    """Create an ``NXentry`` group.

    Parameters
    ----------
    fh : H5Backend, GROUP, or h5py File or Group
        Where to create it.
    name : str
        Its name.
    default : bool
        Whether viewers should show it first.

    Returns
    -------
    GROUP or h5py.Group
    """
    return _create(fh, name, "NXentry", default)


def create_nxdata(e: Any, name: str, default: bool = True) -> Any:
    """Create an ``NXdata`` group, see :func:`create_nxentry`."""
    return _create(e, name, "NXdata", default)


def _create(parent: Any, name: str, nx_class: str, default: bool) -> Any:
    if isinstance(parent, H5Backend):
        parent = parent.root()
    if isinstance(parent, GROUP):
        group: Any = creation.create_group(parent.session, parent, name, "", {})
    else:
        group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    if default:
        parent.attrs["default"] = name
    return group


def copy_nexus_axes(
    nxd_in: Any, nxd_out: Any, scan_rank: int, frame_axes: Sequence[str] | None = None
) -> None:
    """Give results the axes of the data that they were made from.

    Parameters
    ----------
    nxd_in, nxd_out : GROUP or h5py.Group
        ``NXdata`` groups of the data and of the results, both of h5py or both facade groups.
    scan_rank : int
        How many axes are those of the scan; only these are copied.
    frame_axes : sequence of str, optional
        Names of the axes of a result.
    """
    axes = ["."] * scan_rank + list(frame_axes or [])
    for number, raw in enumerate(_listed(nxd_in.attrs.get("axes", ()))[:scan_rank]):
        name = raw.decode("utf-8") if isinstance(raw, bytes) else str(raw)
        axes[number] = name
        if name not in nxd_in:
            continue
        if isinstance(nxd_out, GROUP):
            copying.copy_node(nxd_in[name], nxd_out, name)
        else:
            nxd_out.copy(nxd_in[name], nxd_out, name)
        indices = f"{name}_indices"
        if indices in nxd_in.attrs:
            nxd_out.attrs[indices] = nxd_in.attrs[indices]
    nxd_out.attrs["axes"] = axes


def _listed(axes: Any) -> list[Any]:
    return [axes] if isinstance(axes, (str, bytes)) else list(axes)
