"""Sinusoidal fields for NumPy and PyTorch.

* `fit` fits a field to an array: a picture, a sound, a clip, or values at points. A `Field` is a function of coordinates with exact derivatives.
* `Siren` is a `torch.nn.Module`, whose values and derivatives one fused operation computes and differentiates. It needs PyTorch; nothing else does.
* `run` trains a config file to a run folder, `load` opens its field, `record` reads its tables.
"""

from __future__ import annotations

import os as _os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _siren
from ._siren import Field, __version__, grid, load, record

if TYPE_CHECKING:
    from ._module import Jet, Siren

__all__ = ["Field", "Jet", "Run", "Siren", "fit", "grid", "load", "record", "run"]


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds to import, and may be absent.
    if name in ("Jet", "Siren"):
        try:
            from . import _module
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError(f"siren.{name} needs PyTorch: pip install torch") from error
        return getattr(_module, name)
    raise AttributeError(f"module 'siren' has no attribute '{name}'")


def _array(value: Any, name: str) -> Any:
    """Returns an array of NumPy for a tensor of PyTorch in CPU memory, without a copy, and anything else as it is."""
    if not hasattr(value, "detach"):
        return value
    if value.device.type != "cpu":
        raise ValueError(f"{name}: expected a tensor in CPU memory, got one on the device {value.device}: call its `.cpu()`")
    return value.detach().numpy()


def fit(
    array: Any,
    coordinates: Any = None,
    *,
    kind: str | None = None,
    target: str = "value",
    steps: int | None = None,
    points: int | None = None,
    rate: float | None = None,
    seed: int = 0,
    field: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    callback: Callable[[int, float], bool | None] | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Field:
    """Fits a field to an array.

    Without `coordinates`, the number of axes tells what the array is:

    ========================  =========================================  ==============================================================
    axes                      `kind`                                     values
    ========================  =========================================  ==============================================================
    (N,)                      "sound"                                    amplitudes, 1 is full scale; `rate` in Hz, by default 44,100
    (H, W), (H, W, 1 or 3)    "picture"                                  uint8, or numbers from 0 to 1
    (T, H, W, 1 or 3)         "clip"                                     uint8, or numbers from 0 to 1; `rate` in frames per second
    ========================  =========================================  ==============================================================

    `kind` chooses another meaning: a sound of several channels (N, C), a gray clip (T, H, W), or "values", any grid (side, ..., side, C) whose
    numbers are fitted as they are. Every axis of a grid spans [-1, 1], end points included.

    With `coordinates` (n, d), the array holds values (n, c) or (n,) at these points, fitted as they are. Numbers far from [-1, 1] are learned
    slowly: scale them, and keep coordinates within [-1, 1]. With `target="gradient"` the array holds gradients (n, c, d) or (n, d) instead, with
    "laplacian" Laplacians (n, c) or (n,); the field is then known up to what has no such derivative.

    The network and its training are those of the project's configs of the same kind. `steps` is their number, `points` the number of points that each
    step draws (a number of at least all takes all). `field` and `train` are tables of a config, such as `field={"hidden_features": 128}` and
    `train={"optimizer": {"adam": {}}, "learning_rate": 1e-4}`.

    `callback(step, loss)` is called after each step; `False` stops the fit. Ctrl-C stops it after the present step too. In both cases the field is
    returned as it is; its `stopped_at` is the step. Errors leave no field.
    """
    options = {
        "kind": kind,
        "target": target,
        "steps": steps,
        "points": points,
        "rate": rate,
        "seed": seed,
        "field": None if field is None else dict(field),
        "train": None if train is None else dict(train),
        "callback": callback,
        "device": device,
        "threads": threads,
    }
    coordinates = _array(coordinates, "coordinates")
    return _siren.fit(_array(array, "array"), coordinates, options)


class Run:
    """A run folder."""

    def __init__(self, folder: str, is_finished: bool) -> None:
        self.folder = folder
        self.is_finished = is_finished

    def field(self, checkpoint: str | None = None) -> Field:
        """Returns the field at the "best" checkpoint, the default, or the "last" one."""
        return load(self.folder, checkpoint=checkpoint)

    def record(self) -> dict[str, Any]:
        """Returns config, tables and summary, as `siren.record`."""
        return record(self.folder)

    def __repr__(self) -> str:
        state = "finished" if self.is_finished else "not finished"
        return f"<siren.Run {self.folder!r}, {state}>"


def _overrides(given: Mapping[str, Any] | Sequence[str] | None) -> list[str]:
    """Returns `key=value` for each override: a mapping of dotted keys, or such texts."""
    if given is None:
        return []
    if isinstance(given, str):
        raise TypeError(f"overrides: expected a dict or a list of texts `key=value`, got {given!r}")
    if not isinstance(given, Mapping):
        return [str(text) for text in given]
    return [f"{key}={_toml(value)}" for key, value in given.items()]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, (str, _os.PathLike)):
        text = _os.fspath(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{text}"'
    return repr(value.item() if hasattr(value, "item") else value)


def run(
    config: str | _os.PathLike[str],
    overrides: Mapping[str, Any] | Sequence[str] | None = None,
    *,
    out: str | _os.PathLike[str] | None = None,
    callback: Callable[[int, float], bool | None] | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Run:
    """Trains the model of a config file to a new run folder, or continues the run of a folder.

    `overrides` are values by dotted key, such as `{"train.steps": 2000}`, or texts `["train.steps=2000"]`. `out` is the folder, by default `runs/NAME`
    for NAME.toml. `callback` and Ctrl-C stop the run after a step, which is saved: `siren.run(folder)` continues it to the same bytes as without the
    stop.
    """
    options = {"out": out, "callback": callback, "device": device, "threads": threads}
    folder, is_finished = _siren.run(config, _overrides(overrides), options)
    return Run(str(folder), is_finished)
