"""The notebooks run from top to bottom on the embedded scenes, and are kept without outputs."""

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.filterwarnings("default")  # what Jupyter's own packages deprecate is not ours to mend
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs, in order, and those that draw leave a picture."""
    nbclient = pytest.importorskip("nbclient", reason="needs Jupyter's client, of the dev extra")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(path, as_version=4)

    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()

    drawing = [cell for cell in notebook.cells if cell.cell_type == "code" and "_figure(" in cell.source]
    assert drawing
    for cell in drawing:
        assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source


def test_both_texts_have_a_notebook() -> None:
    """The names are the assignment's."""
    assert [path.stem for path in NOTEBOOKS] == ["colour_regression", "colourization"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_are_kept(path: Path) -> None:
    """Pictures in a notebook make every change unreadable; they come when it is run."""
    cells = json.loads(path.read_text())["cells"]

    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
