"""Every notebook runs from its first cell to its last, on a small finished work folder."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

KERNEL_S = 300  # the longest time of a cell
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def code_cells(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_holds_no_output_and_defines_little(notebook):
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs")
    assert sum(code.count("\ndef ") for code in code_cells(notebook)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_on_a_finished_work_folder(notebook, small_run, monkeypatch):
    """In a kernel of its own, as a user runs it; its plots are pictures that it shows."""
    monkeypatch.setenv("DEVISE_WORK", str(small_run))
    content = nbformat.read(notebook, as_version=4)
    NotebookClient(
        content,
        timeout=KERNEL_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(notebook.parent)}},
    ).execute()
    shown = [output for cell in content.cells for output in cell.get("outputs", ())]
    pictures = [output for output in shown if "image/png" in output.get("data", {})]
    assert pictures, "want a plot"
    assert not [output for output in shown if output.get("name") == "stderr"]
