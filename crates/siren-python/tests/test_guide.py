"""The code of the guide runs."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guide" / "python.md"


def test_the_code_of_the_guide_runs(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "image.toml").write_bytes((ROOT / "configs" / "image.toml").read_bytes())
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        quick = re.sub(r'steps(=|": )\d+', r"steps\g<1>2", block)
        exec(compile(quick, str(GUIDE), "exec"), names)
    assert names["larger"].shape == (384, 512)
    assert names["record"]["summary"]["steps"] == 2
    assert (tmp_path / "picture.safetensors").exists()
