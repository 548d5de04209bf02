"""Which input pixels an output can depend on: exact intervals along one side of the image, operation by operation.

A `Field` says for each position along the side which input positions it sees, from `low` to `high`; where a filter has
gaps they lie in between. Filters, pools and images are square here, so one side speaks for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

_NOTHING = (np.iinfo(np.int64).max, np.iinfo(np.int64).min)  # what a position beyond the border sees


@dataclass(frozen=True)
class Field:
    """First and last input position that each position sees."""

    low: Int64[np.ndarray, " n"]
    high: Int64[np.ndarray, " n"]

    @classmethod
    def of_input(cls, count: int) -> Field:
        """Each position of the input sees itself."""
        return cls(np.arange(count), np.arange(count))

    def __len__(self) -> int:
        return len(self.low)

    def slide(self, taps: int, *, stride: int, padding: int, dilation: int) -> Field:
        """After a convolution or a pool: position i sees what i * stride - padding + tap * dilation sees."""
        count = (len(self) + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
        places = np.arange(count) * stride - padding
        return self._union(count, ((slice(None), places + tap * dilation) for tap in range(taps)))

    def spread(self, taps: int, *, stride: int, padding: int, dilation: int, extra: int) -> Field:
        """After a transposed convolution: position i * stride - padding + tap * dilation sees what i sees."""
        count = (len(self) - 1) * stride - 2 * padding + dilation * (taps - 1) + extra + 1
        places = np.arange(count) + padding
        pairs = []
        for tap in range(taps):
            offsets = places - tap * dilation
            reached = offsets % stride == 0
            pairs.append((reached, offsets[reached] // stride))
        return self._union(count, pairs)

    def repeat(self, times: int) -> Field:
        """After nearest up-sampling."""
        return Field(np.repeat(self.low, times), np.repeat(self.high, times))

    @staticmethod
    def join(fields: Iterable[Field]) -> Field:
        """Where several tensors are concatenated or added."""
        parts = list(fields)
        return Field(np.min([part.low for part in parts], axis=0), np.max([part.high for part in parts], axis=0))

    def widest(self) -> int:
        """Pixels from the first to the last that a position in the middle sees, at the position that sees most.

        Raises ValueError where even those see the border, so that the image is too small to tell.
        """
        eighth = max(len(self) // 8, 1)
        middle = slice(len(self) // 2 - eighth // 2, len(self) // 2 + (eighth + 1) // 2)
        sees = self.low[middle] <= self.high[middle]  # a transposed convolution can leave holes
        low, high = self.low[middle][sees], self.high[middle][sees]
        if low.min() <= self.low.min() or high.max() >= self.high.max():
            raise ValueError(f"{len(self)} positions are too few")
        return int((high - low).max()) + 1

    def _union(self, count: int, pairs: Iterable[tuple[slice | np.ndarray, np.ndarray]]) -> Field:
        """Let `count` positions see what the given ones of this field see; those beyond its border see nothing."""
        low, high = np.full(count, _NOTHING[0]), np.full(count, _NOTHING[1])
        for target, places in pairs:
            inside = (places >= 0) & (places < len(self))
            seen = places.clip(0, len(self) - 1)
            low[target] = np.minimum(low[target], np.where(inside, self.low[seen], _NOTHING[0]))
            high[target] = np.maximum(high[target], np.where(inside, self.high[seen], _NOTHING[1]))
        return Field(low, high)
