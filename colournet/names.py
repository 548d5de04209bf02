"""Names of the files that training leaves in a checkpoint folder. Standard library only."""

LAST_CHECKPOINT = "last.safetensors"
"""The checkpoint after the last epoch, to train on from."""

BEST_MODEL = "best.safetensors"
"""The model after the best epoch, to colour with."""
