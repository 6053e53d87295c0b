"""Benchmarks: `bin/bench NAME` runs `python -m paid.bench.NAME`."""
