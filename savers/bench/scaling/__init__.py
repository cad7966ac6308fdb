"""Scaling laws: how costs change with points, signals, nodes, sizes, rates, readers and servers.

The command ``h5backends scaling`` runs them; :mod:`savers.bench.scaling.registry` has the laws.
"""
