"""Measurements against the project's budgets. `python -m benchmarks` runs them all and writes docs/benchmarks.md."""
