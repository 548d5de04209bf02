"""Which trials each of Tune's trials stands for, and how a worker that has several learns which of them are to stop.

Tune answers a report by going on or by stopping, for all or for none. So before Tune answers, those that are to stop are left
in the store that the cluster's head keeps for its processes, where the worker looks when its report returns.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ray.experimental import internal_kv

_NAMESPACE = b"study"


@dataclass
class _Group:
    under_way: list[int]
    over: list[int] = field(default_factory=list)
    is_kept: bool = False  # whether the store has those that are over


class Groups:
    """The groups that were handed out, by the names of Tune's trials."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}

    @property
    def running(self) -> int:
        """How many have a trial under way."""
        return sum(bool(group.under_way) for group in self._groups.values())

    def begin(self, name: str, numbers: Sequence[int]) -> None:
        """Note that a group is handed out."""
        self._groups[name] = _Group(list(numbers))

    def under_way(self, name: str) -> Sequence[int]:
        """The trials of a group that are not over for it."""
        return tuple(self._groups[name].under_way) if name in self._groups else ()

    def end(self, name: str, numbers: Collection[int]) -> bool:
        """Note that these are over for the group, and let its worker know; answer whether all are, and it need not."""
        group = self._groups[name]
        group.over += [number for number in group.under_way if number in numbers]
        group.under_way = [number for number in group.under_way if number not in numbers]
        if group.under_way and numbers:
            group.is_kept = True
            internal_kv._internal_kv_put(_key(name), json.dumps(group.over).encode(), namespace=_NAMESPACE)
        return not group.under_way

    def close(self, name: str) -> None:
        """Forget a group."""
        group = self._groups.pop(name, None)
        if group is not None and group.is_kept:
            internal_kv._internal_kv_del(_key(name), namespace=_NAMESPACE)


def over(name: str) -> Collection[int]:
    """To a worker: the trials of its group that are to stop, or have ended."""
    kept = internal_kv._internal_kv_get(_key(name), namespace=_NAMESPACE)
    return () if kept is None else frozenset(json.loads(kept))


def _key(name: str) -> bytes:
    return f"group/{name}".encode()
