"""Flushes that a kill cannot tear: HDF5's file driver, with a journal put in between."""
