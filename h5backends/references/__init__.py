"""References between arrays, in the layout of h5flow: follow them, write them, print them.

Importing it loads no HDF5 library.
"""

from h5backends.references.dereference import dereference, dereference_chain, ref_region_dtype

__all__ = ["dereference", "dereference_chain", "ref_region_dtype"]
