"""The notebook of docs/notebooks runs from the first cell to the last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "tiny.ipynb"


def test_notebook_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert [
        cell for cell in cells if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"])
    ] == []


@pytest.mark.slow
def test_notebook_trains_and_transfers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    results = [result_data(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert sum("image/png" in data for data in results) == 3
    assert "48" in [data.get("text/plain") for data in results]
    assert any(data.get("text/plain") == "(12, 'result.mp4')" for data in results)
    (folder,) = tmp_path.glob("vid2vid-*")
    assert {"footage.mp4", "dataset", "run", "result.mp4"} <= {path.name for path in folder.iterdir()}


def result_data(cell: Any) -> dict[str, Any]:
    """The value of a cell by MIME type; {} if it has none."""
    values = [dict(output.data) for output in cell.outputs if output.output_type == "execute_result"]
    return values[-1] if values else {}
