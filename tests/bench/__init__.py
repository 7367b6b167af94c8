"""Benchmarks: each module with a ``run(quick)`` is one, run by ``edgevoice bench NAME``."""
