"""What a user would pick instead, as a competent one would write it.

Each runs as `python -m benchmarks.contenders.NAME JOB.json`. A job is JSON: `data` (an npz file), `folder` (to write to),
`epochs`, `trials`, `workers`, `seed`, `fixed` (settings of all trials), `choices` and `log_uniform` (what is searched, by name)
and `points` (all to be tried; none where it is a search). The last line that is printed is JSON again: a row for each trial with
its `params`, its `losses` by epoch, and `began` and `ended` in seconds since the epoch of the clock.
"""
