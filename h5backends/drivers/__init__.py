"""Drivers: one small class per HDF5 library, found through entry points and loaded when asked for."""
