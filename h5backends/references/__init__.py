"""References between arrays, in the layout of h5flow: follow them, write them, print them.

Importing it loads no HDF5 library.
"""

from h5backends.references.dereference import dereference, dereference_chain, ref_region_dtype
from h5backends.references.manager import H5FlowDataManager
from h5backends.references.printing import print_attr, print_data, print_ref

__all__ = [
    "H5FlowDataManager",
    "dereference",
    "dereference_chain",
    "print_attr",
    "print_data",
    "print_ref",
    "ref_region_dtype",
]
