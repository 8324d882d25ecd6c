"""Fits of arrays: what needs NumPy alone."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import siren


def test_a_picture_is_fitted_rendered_saved_and_opened(picture, small, tmp_path):
    losses = []
    field = siren.fit(picture, steps=200, callback=lambda step, loss: losses.append(loss), **small)
    assert field.kind == "picture" and (field.in_features, field.out_features) == (2, 3)
    assert len(losses) == 200 and field.stopped_at is None
    assert field.metrics["psnr_db"] > 25
    np.testing.assert_allclose(field.history["loss"], losses)
    rendered = field.render()
    assert rendered.shape == picture.shape and rendered.dtype == np.float32
    assert np.abs(rendered - picture).mean() < 0.05
    assert field.render((48, 20)).shape == (48, 20, 3)
    assert field.render(quantity="gradient").shape[:2] == (24, 32)
    # Values are intensities, at the points of the grid those of the rendering.
    values = field(siren.grid((24, 32))).reshape(24, 32, 3)
    np.testing.assert_allclose(np.clip(values, 0, 1), rendered, atol=1e-6)
    path = tmp_path / "field.safetensors"
    field.save(path)
    again = siren.load(path)
    assert again.kind == "picture"
    np.testing.assert_array_equal(again.render(), rendered)
    assert set(again.state_dict()) == set(field.state_dict())


def test_derivatives_are_those_of_the_values_by_differences(picture, small):
    field = siren.fit(picture, steps=20, train={"precision": "double"}, **small)
    x = np.array([[0.1, -0.3], [0.7, 0.2]])
    assert field(x).dtype == np.float64
    h = 1e-4
    gradient = np.zeros((2, 3, 2))
    hessian = np.zeros((2, 3, 2, 2))
    for i in range(2):
        step = h * np.eye(2)[i]
        gradient[..., i] = (field(x + step) - field(x - step)) / (2 * h)
        hessian[..., i] = (field.gradient(x + step) - field.gradient(x - step)) / (2 * h)
    np.testing.assert_allclose(field.gradient(x), gradient, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(field.hessian(x), hessian, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(field.laplacian(x), np.trace(field.hessian(x), axis1=2, axis2=3), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("change", [lambda a: a, np.asfortranarray, lambda a: np.repeat(a, 2, 0)[::2], lambda a: a[::-1][::-1]])
def test_layouts_and_types_of_an_array_give_the_same_field(picture, small, change):
    reference = siren.fit(picture, steps=3, **small).render()
    np.testing.assert_array_equal(siren.fit(change(picture), steps=3, **small).render(), reference)
    double = siren.fit(change(picture).astype(np.float64), steps=3, **small)
    np.testing.assert_array_equal(double.render(), reference)
    levels = np.round(255 * picture).astype(np.uint8)
    by_levels = siren.fit(change(levels), steps=3, **small).render()
    np.testing.assert_array_equal(by_levels, siren.fit(levels / np.float32(255), steps=3, **small).render())


def test_sounds_clips_and_grids_are_fitted_by_their_axes(small, tmp_path):
    time = np.arange(400) / 8000
    sound = (0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    field = siren.fit(sound, rate=8000, steps=5, field=small["field"])
    assert field.kind == "sound" and field.render().shape == (400,)
    assert field.render(rate=16000).shape == (799,)
    stereo = siren.fit(np.stack([sound, -sound], 1), kind="sound", rate=8000, steps=5, field=small["field"])
    assert stereo.render().shape == (400, 2)
    clip = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)
    field = siren.fit(clip, steps=5, rate=10, field=small["field"])
    assert field.kind == "clip" and field.render().shape == clip.shape and field.render().dtype == np.uint8
    assert field.render((3, 4), rate=20).shape == (7, 3, 4, 3)
    volume = np.random.default_rng(0).normal(size=(4, 5, 6, 2))
    field = siren.fit(volume, kind="values", steps=5, field=small["field"])
    assert field.kind == "grid" and field.render().shape == volume.shape
    np.testing.assert_allclose(field.render(), field(siren.grid((4, 5, 6))).reshape(volume.shape), atol=1e-6)
    for fitted in (stereo, field):
        fitted.save(tmp_path / "a.safetensors")
        x = siren.grid((3,) * fitted.in_features)
        np.testing.assert_array_equal(siren.load(tmp_path / "a.safetensors")(x), fitted(x))


def test_fields_are_pickled_and_copied_with_what_the_fit_did(picture, small):
    volume = np.random.default_rng(0).normal(size=(4, 5, 6, 2))
    time = np.arange(400) / 8000
    fields = [
        siren.fit(picture, steps=5, **small),
        siren.fit(0.3 * np.sin(1000 * time), kind="sound", rate=8000, steps=5, train={"precision": "double"}, **small),
        siren.fit(volume, kind="values", steps=9, callback=lambda step, loss: step < 7, **small),
        siren.fit(np.sin(siren.grid((9, 9))[:, :1]), siren.grid((9, 9)), steps=5, **small),
    ]
    for field in fields:
        x = siren.grid((3,) * field.in_features)
        for again in (pickle.loads(pickle.dumps(field)), copy.deepcopy(field), copy.copy(field)):
            assert again is not field and again.kind == field.kind and again.config == field.config
            assert again(x).dtype == field(x).dtype
            np.testing.assert_array_equal(again(x), field(x))
            np.testing.assert_array_equal(again.gradient(x), field.gradient(x))
            assert again.metrics == field.metrics and again.metrics
            assert again.stopped_at == field.stopped_at
            np.testing.assert_array_equal(again.history["loss"], field.history["loss"])
            if field.kind != "points":
                np.testing.assert_array_equal(again.render(), field.render())
    assert fields[2].stopped_at == 7
    with pytest.raises(ValueError, match="safetensors"):
        function, (data, besides) = fields[0].__reduce__()
        function(data[:50], besides)


def test_values_gradients_and_laplacians_are_fitted_at_points(small):
    x = siren.grid((20, 20))
    wave = np.sin(3 * x[:, :1]) * np.cos(2 * x[:, 1:])
    slope = np.stack([3 * np.cos(3 * x[:, 0]) * np.cos(2 * x[:, 1]), -2 * np.sin(3 * x[:, 0]) * np.sin(2 * x[:, 1])], 1)
    field = siren.fit(wave, x, steps=300, **small)
    assert field.metrics["mse"] < 1e-3 and np.square(field(x) - wave).mean() < 1e-3
    by_slope = siren.fit(slope, x, target="gradient", steps=300, **small)
    assert by_slope.metrics["gradient_mse"] < 0.05
    np.testing.assert_allclose(by_slope.gradient(x)[:, 0], slope, atol=1.0)
    by_laplacian = siren.fit(-13 * wave[:, 0], x, target="laplacian", steps=300, **small)
    assert np.square(by_laplacian.laplacian(x) + 13 * wave).mean() < 5
    # A line: coordinates without a second axis.
    line = siren.fit(np.sin(3 * x[:20, 1]), x[:20, 1], steps=10, **small)
    assert line(x[:5, 1]).shape == (5, 1)


def test_a_callback_stops_the_fit_and_its_exception_ends_it(picture, small):
    field = siren.fit(picture, steps=500, callback=lambda step, loss: step < 7, **small)
    assert field.stopped_at == 7 and len(field.history["step"]) == 7
    with pytest.raises(ZeroDivisionError):
        siren.fit(picture, steps=500, callback=lambda step, loss: 1 / 0, **small)


def test_callbacks_run_on_the_thread_of_the_caller_while_others_go_on(picture, small):
    ticks, threads, stop = [], set(), threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(1)

    other = threading.Thread(target=tick)
    other.start()
    siren.fit(picture, steps=100, callback=lambda *_: threads.add(threading.get_ident()), **small)
    stop.set()
    other.join()
    assert threads == {threading.get_ident()}
    assert len(ticks) > 5


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_the_field_as_it_is(picture, small):
    # A shell starts what runs in the background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.warns(UserWarning, match="Ctrl-C: stopped after step"):
        field = siren.fit(picture, steps=10_000_000, **small)
    assert field.stopped_at > 0
    assert field.render().shape == picture.shape


def bad_calls():
    nan = np.zeros((4, 4), np.float32)
    nan[1, 2] = np.nan
    good = np.zeros((4, 4), np.float32)
    x = np.zeros((4, 2), np.float32)
    field = {"hidden_features": 8}
    return [
        (lambda: siren.fit(nan), ValueError, r"finite numbers, got NaN at index \[1, 2\]"),
        (lambda: siren.fit(np.full(9, np.inf, np.float32)), ValueError, "finite"),
        (lambda: siren.fit([[0.0, 1.0]]), TypeError, "array: expected a NumPy array .* got list: `numpy.asarray`"),
        (lambda: siren.fit(None), TypeError, "got NoneType"),
        (lambda: siren.fit("photo.png"), TypeError, "got str"),
        (lambda: siren.fit(np.zeros((4, 4), np.int64)), TypeError, "an array of int64"),
        (lambda: siren.fit(np.zeros((4, 4), object)), TypeError, "an array of object"),
        (lambda: siren.fit(np.zeros((4, 4), ">f4")), TypeError, "an array of >f4"),
        (lambda: siren.fit(np.zeros((4, 4, 4), np.float32)), ValueError, r"for a picture, got the shape \[4, 4, 4\]"),
        (lambda: siren.fit(np.zeros((2,) * 5, np.float32)), ValueError, 'kind="values" fits any grid'),
        (lambda: siren.fit(np.float32(1.0)), ValueError, "got 0"),
        (lambda: siren.fit(np.zeros((0, 4), np.float32)), ValueError, "picture"),
        (lambda: siren.fit(200 * good + 100), ValueError, "numbers from 0 to 1"),
        (lambda: siren.fit(np.zeros(9, np.float32)), ValueError, "silence"),
        (lambda: siren.fit(good, kind="shape"), ValueError, 'got "shape"'),
        (lambda: siren.fit(good, steps=0), ValueError, "`train.steps` is 0"),
        (lambda: siren.fit(good, points=0), ValueError, "at least 1 point"),
        (lambda: siren.fit(good, field={"hiden_features": 8}), ValueError, "did you mean `hidden_features`"),
        (lambda: siren.fit(good, field={"hidden_features": "wide"}), ValueError, "field.hidden_features=.*whole number"),
        (lambda: siren.fit(good, train={"optimizer": {"adams": {}}}), ValueError, "adams"),
        (lambda: siren.fit(good, device="tpu"), ValueError, "cpu, or cuda:0"),
        (lambda: siren.fit(good, threads=0), ValueError, "1 to 1024"),
        (lambda: siren.fit(good, target="gradient"), ValueError, "give `coordinates`"),
        (lambda: siren.fit(good, x[:3]), ValueError, r"shape \(3,\) or \(3, channels\) for 3 points, got \[4, 4\]"),
        (lambda: siren.fit(good, x, target="gradient"), ValueError, r"\(4, 2\) or \(4, channels, 2\)"),
        (lambda: siren.fit(good, x, kind="picture"), ValueError, "with `coordinates`"),
        (lambda: siren.fit(nan, x, steps=2, field=field), ValueError, "not finite at point 1"),
        (lambda: siren.fit(good, x, field={"first_omega_0": "auto"}), ValueError, "no spectrum"),
        (lambda: siren.load("no/such.safetensors"), FileNotFoundError, "such.safetensors"),
        (lambda: siren.run("no/such.toml"), FileNotFoundError, "such.toml"),
        (lambda: siren.record("no/run"), ValueError, "no/run"),
    ]


@pytest.mark.parametrize("index", range(len(bad_calls())))
def test_bad_input_is_an_exception_that_says_what_was_expected(index):
    call, kind, message = bad_calls()[index]
    with pytest.raises(kind, match=message):
        call()


def test_coordinates_of_another_shape_or_type_are_refused(picture, small):
    field = siren.fit(picture, steps=2, **small)
    for x, kind, message in [
        (np.zeros((3, 3), np.float32), ValueError, r"\(n, 2\), got \[3, 3\]"),
        (np.zeros(2), ValueError, r"\(n, 2\)"),
        ([[0.0, 0.0]], TypeError, "got list"),
        (np.zeros((3, 2), np.int32), TypeError, "an array of int32"),
    ]:
        with pytest.raises(kind, match=message):
            field(x)
    assert field(np.zeros((0, 2))).shape == (0, 3)
    for options, message in [
        ({"size": (3, 4, 5)}, r"\(height, width\)"),
        ({"size": (0, 4)}, "1 to 100000000 pixels"),
        ({"rate": 3.0}, "none for a picture"),
        ({"quantity": "curl"}, 'got "curl"'),
    ]:
        with pytest.raises(ValueError, match=message):
            field.render(**options)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_is_refused_instead_of_waiting_without_end(small):
    code = """
import os, numpy as np, siren
siren.fit(np.ones((4, 4), np.float32) * np.eye(4, dtype=np.float32), steps=1, field={"hidden_features": 8})
if os.fork() == 0:
    try:
        siren.fit(np.eye(4, dtype=np.float32), steps=1)
    except RuntimeError as error:
        os._exit(3 if "spawn" in str(error) else 4)
    os._exit(5)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "3", done


def test_the_module_of_pytorch_is_imported_on_demand():
    code = "import sys, siren; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    code = "import sys; sys.modules['torch'] = None\nimport siren\nsiren.Siren"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "siren.Siren needs PyTorch: pip install torch" in done.stderr
