"""Runs of configs."""

import pathlib

import numpy as np
import pytest
import siren

CONFIGS = pathlib.Path(__file__).parents[3] / "configs"
CONFIG = """
kind = "image"
[signal]
resize = 16
[field]
hidden_features = 16
hidden_layers = 1
[train]
steps = 6
learning_rate = 1e-3
[run]
evaluate_every = 2
checkpoint_every = 2
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(CONFIG)
    return path


def test_a_run_is_loaded_and_its_tables_are_arrays(config, tmp_path):
    run = siren.run(config, {"train.steps": 8, "field.activation": "sine"}, out=tmp_path / "run")
    assert run.is_finished and run.folder == str(tmp_path / "run")
    record = run.record()
    assert record["config"]["train"]["steps"] == 8
    np.testing.assert_array_equal(record["steps"]["step"], np.arange(1, 9))
    assert record["steps"]["loss"].shape == (8,) and np.isfinite(record["steps"]["loss"]).all()
    np.testing.assert_array_equal(record["evaluations"]["step"], [2, 4, 6, 8])
    assert record["evaluations"]["psnr_db"][-1] > 0 and record["summary"]["steps"] == 8
    field = siren.load(tmp_path / "run")
    assert field.kind == "picture" and field.render().shape == (16, 16, 3)
    assert siren.load(tmp_path / "run", checkpoint="last").render().shape == (16, 16, 3)
    with pytest.raises(ValueError, match='"best" or "last"'):
        siren.load(tmp_path / "run", checkpoint="first")
    with pytest.raises(FileExistsError, match="exists already"):
        siren.run(config, out=tmp_path / "run")


def test_a_run_that_a_callback_stops_continues_to_the_same_bytes(config, tmp_path):
    whole = siren.run(config, ["train.steps=6"], out=tmp_path / "whole")
    with pytest.warns(UserWarning, match="stopped after step 3"):
        part = siren.run(config, out=tmp_path / "part", callback=lambda step, loss: step != 3)
    assert not part.is_finished and part.record()["summary"] is None
    assert siren.run(part.folder).is_finished
    for name in ("metrics.csv", "evaluation.csv"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    np.testing.assert_array_equal(part.field().render(), whole.field().render())


def test_errors_of_a_config_name_file_line_and_key(config, tmp_path):
    config.write_text(CONFIG.replace("steps", "stepps", 1))
    with pytest.raises(ValueError, match=r"small.toml:9:1.*did you mean `steps`"):
        siren.run(config, out=tmp_path / "run")
    for text, message in [("[train]\n", "no top-level `kind`"), ('kind = "fish"\n', "`kind` is fish"), ("kind = \n", "small.toml")]:
        config.write_text(text)
        with pytest.raises(ValueError, match=message):
            siren.run(config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_hypernetwork_has_no_field_of_its_own(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text('kind = "hyper"\n')
    with pytest.raises(ValueError, match="kind `hyper`, which has a field for every picture"):
        siren.load(tmp_path / "run")
    with pytest.raises(ValueError, match="is not a run folder|no run"):
        siren.load(tmp_path)


@pytest.mark.parametrize(
    "name, kind, shape",
    [
        ("audio", "sound", (44100,)),
        ("video", "clip", (32, 64, 64, 3)),
        ("poisson", "picture", (128, 128)),
        ("shape", "shape", None),
        ("helmholtz", "wave", None),
    ],
)
def test_runs_of_other_kinds_give_fields_in_the_units_of_their_signals(name, kind, shape, tmp_path):
    config = CONFIGS / f"{name}.toml"
    if not config.exists():
        pytest.skip("configs are in the repository")
    small = {"train.steps": 2, "train.warmup_steps": 0, "field.hidden_features": 16}
    field = siren.run(config, small, out=tmp_path / "run").field()
    assert field.kind == kind
    if shape is None:
        with pytest.raises(TypeError, match=f"a {kind} is no picture"):
            field.render()
    else:
        assert field.render().shape == shape
    # Derivatives are those of the values, also where both have units.
    x = np.full((1, field.in_features), 0.25)
    step = {"sound": 1e-5, "shape": 1e-2}.get(kind, 1e-4)
    up, down = x.copy(), x.copy()
    up[0, 0] += step
    down[0, 0] -= step
    slope = (field(up) - field(down))[0] / (2 * step)
    np.testing.assert_allclose(field.gradient(x)[0, :, 0], slope, rtol=0.02, atol=0.02 * np.abs(slope).max())
    field.save(tmp_path / "field.safetensors")
    again = siren.load(tmp_path / "field.safetensors")
    assert again.kind == kind
    np.testing.assert_array_equal(again(x), field(x))
