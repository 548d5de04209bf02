"""Names of the files that training leaves in a checkpoint folder, and of their formats. Standard library only."""

LAST_CHECKPOINT = "last.safetensors"
"""The checkpoint after the last epoch, to train on from."""

BEST_MODEL = "best.safetensors"
"""The model after the best epoch, to colour with."""

MODEL_FORMAT = "colournet-model/1"
CHECKPOINT_FORMAT = "colournet-checkpoint/1"

METADATA_ENTRY = "colournet"
"""The one entry of a safetensors file's metadata: JSON with `format`, `config` and, of a checkpoint, `history`."""
