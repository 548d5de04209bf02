"""What takes how long, and how much memory: measured by `python -m benchmarks`, shown in docs/performance.md."""
