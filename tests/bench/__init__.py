"""Benchmarks: one module a part, each with a `main` that prints a table."""
