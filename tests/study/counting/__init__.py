"""Counts what the processes of a study do, for the tests of what it does only once."""
