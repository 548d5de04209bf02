"""Reading a study: tidy frames, numbers, figures and one offline report. Loads neither torch nor ray nor optuna."""
