"""Faults on demand for the tests of what a study survives."""
