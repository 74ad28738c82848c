"""Local Minari datasets: ``reader`` and ``writer``.

``storage`` reads episodes from HDF5 or Arrow, and ``spaces`` converts spaces from and to the JSON of Minari's metadata.
"""
