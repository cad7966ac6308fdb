"""The comparison with the peers: every row measures both, and a physical limit, in one run.

The command ``h5backends bench`` runs it; :mod:`savers.bench.registry` has the rows.
"""
