"""Running a study: Ray Tune runs the trials, Optuna decides, the record remembers.

`optimizer` alone imports optuna; `cluster` and `tuning` alone import ray. `driver` joins them to the record and knows
neither.
"""
