"""Studies at the edges of what figures are drawn of: nothing yet, one trial, all failed, all pruned, running, many attempts."""

from __future__ import annotations

from pathlib import Path

from study.analysis.loaded import Loaded
from tests.study.test_analysis_frames import complete, fill, fill_with_attempts, make_folder, train


def odd_studies(results: Path) -> dict[str, Loaded]:
    """Such studies, read, by what is odd about them, and `filled`, which has a bit of everything."""
    found = {"empty": Loaded.read(make_folder(results, name="empty"))}
    for name, fold in {"filled": fill, "attempts": fill_with_attempts}.items():
        folder = make_folder(results, name=name)
        fold(folder)
        found[name] = Loaded.read(folder)
    for name in ("one", "failed", "pruned", "running"):
        folder = make_folder(results, name=name)
        with folder.write() as writer:
            writer.append("launched", trials=2, host="here", pid=1, workers=1)
            train(writer, 0, [2.0], epochs=1 if name == "one" else 3)
            if name == "one":
                complete(writer, 0, 2.0, 1)
            if name == "failed":
                writer.append("failed", 0, attempt=1, reason="error", message="out of memory")
            if name == "pruned":
                writer.append("pruned", 0, attempt=1, value=2.0, epoch=1)
            found[name] = Loaded.read(folder)
    return found
