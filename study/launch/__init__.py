"""Running a study: Ray Tune runs the trials, Optuna decides, the record remembers.

`optimizer` alone decides by optuna; `cluster`, `tuning`, `trust` and `jobs` alone import ray. `driver` joins them to the record
and knows neither. What tells Optuna of a record (`optuna_export`, `dashboard` and what they stand on) knows nothing of those.
"""
