"""Every notebook runs from its first cell to its last, on a small finished work folder."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

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
    monkeypatch.setenv("DEVISE_WORK", str(small_run))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    plt.close("all")
    scope: dict[str, object] = {}
    for code in code_cells(notebook):
        exec(compile(code, notebook.name, "exec"), scope)
    assert plt.get_fignums(), "want a plot"
