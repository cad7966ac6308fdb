"""Drivers: one small class per HDF5 library, found by entry point, loaded when asked for."""
