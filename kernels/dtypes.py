"""The float formats that kernels are run and checked in, by name. Needs no torch."""

DTYPES = ("float32", "float64")
