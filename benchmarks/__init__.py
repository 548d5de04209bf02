"""What takes how long, and how much memory, on records of many trials; run by hand, kept in docs/experiments.md."""
