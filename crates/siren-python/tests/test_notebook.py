"""The notebook, with few steps."""

import json
import pathlib
import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOK = pathlib.Path(__file__).parents[1] / "notebooks" / "explore.ipynb"


def test_the_notebook_runs_and_fits(tmp_path, monkeypatch):
    monkeypatch.setenv("SIREN_NOTEBOOK_STEPS", "60")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "check the notebook in without outputs"
    notebook.cells.append(nbformat.v4.new_code_cell("import json\nprint('SCORES', json.dumps(scores))"))
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    printed = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    scores = json.loads(re.search("SCORES (.*)", printed)[1])
    assert scores["picture"] > 25 and scores["slope_error"] < 0.02
    assert scores["sound"] > 20
    assert scores["gradient"] > 15 and scores["fit_of_the_gradient"] > 25
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    assert len(pictures) == 5
