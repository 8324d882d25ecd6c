"""The network as a `torch.nn.Module`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from . import _siren

_ORDERS = ("value", "gradient", "laplacian", "hessian")

_SECOND = (
    "the gradient of a fused backward pass with respect to parameters is not differentiable: for losses of derivatives with respect to coordinates "
    'call `net.jet(x, "gradient")`, "laplacian" or "hessian", whose results are differentiable in the parameters'
)
_THIRD = (
    "derivatives of third order with respect to coordinates are not computed, and a backward pass through a Laplacian or Hessian to coordinates needs them: "
    'pass coordinates that need no gradient, `net.jet(x.detach(), "laplacian")`, or ask for the parameters alone, '
    "`loss.backward(inputs=list(net.parameters()))`"
)


class Jet(NamedTuple):
    """Values of a field at n points with their derivatives; those that were not asked for are `None`."""

    value: Tensor
    """(n, c)"""
    gradient: Tensor | None = None
    """(n, c, d)"""
    laplacian: Tensor | None = None
    """(n, c)"""
    hessian: Tensor | None = None
    """(n, c, d, d)"""


class _OfParameters(torch.autograd.Function):
    """Jets (n, c, 1 + d + K) as a function of flat parameters (P,)."""

    @staticmethod
    def forward(ctx: Any, params: Tensor, coords: Tensor, network: _siren.Network, order: str) -> Tensor:
        ctx.save_for_backward(params)
        ctx.tape, jets = network.forward(params.detach().numpy(), coords.numpy(), order)
        return torch.from_numpy(jets)

    @staticmethod
    def backward(ctx: Any, d_jets: Tensor) -> tuple[Tensor | None, None, None, None]:
        (params,) = ctx.saved_tensors
        return _ParameterGradient.apply(params, d_jets, ctx.tape), None, None, None


class _ParameterGradient(torch.autograd.Function):
    """The gradient with respect to the parameters (P,), which is not differentiable."""

    @staticmethod
    def forward(ctx: Any, params: Tensor, d_jets: Tensor, tape: _siren.ForwardPass) -> Tensor:
        return torch.from_numpy(tape.backward(d_jets.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> Any:
        raise RuntimeError(_SECOND)


class _OfCoordinates(torch.autograd.Function):
    """Zeros of the shape of the jets, whose gradient with respect to coordinates (n, d) is that of the jets.

    A node of its own beside `_OfParameters`: autograd runs the one whose gradient is asked for. A backward pass to the parameters alone does not need the
    derivatives of one order more.
    """

    @staticmethod
    def forward(ctx: Any, coords: Tensor, jets: Tensor, params: list[Tensor], network: _siren.Network, order: str) -> Tensor:
        ctx.save_for_backward(coords)
        # In a list, the parameters are no input of this node, but keep their graph.
        ctx.params, ctx.network, ctx.order = params, network, order
        return torch.zeros((), dtype=jets.dtype).expand(jets.shape)

    @staticmethod
    def backward(ctx: Any, d_jets: Tensor) -> tuple[Tensor, None, None, None, None]:
        (coords,) = ctx.saved_tensors
        gradient = _coordinate_gradient(ctx.params[0], coords, d_jets, ctx.network, ctx.order)
        return gradient, None, None, None, None


def _coordinate_gradient(params: Tensor, coords: Tensor, d_jets: Tensor, network: _siren.Network, order: str) -> Tensor:
    """Gradient with respect to the coordinates (n, d): the jet of the next order, contracted with the gradient of the jets."""
    dims = network.in_features
    if order == "value":
        jets = _packed(params, coords, network, "gradient")
        return (d_jets * jets[:, :, 1:]).sum(1)
    if order == "gradient":
        jets = _packed(params, coords, network, "hessian")
        hessian = _square(jets[:, :, 1 + dims :], dims)
        return (d_jets[:, :, :1] * jets[:, :, 1 : 1 + dims]).sum(1) + torch.einsum("nci,ncij->nj", d_jets[:, :, 1:], hessian)
    raise RuntimeError(_THIRD)


def _packed(params: Tensor, coords: Tensor, network: _siren.Network, order: str) -> Tensor:
    """Returns jets (n, c, 1 + d + K), differentiable in what needs a gradient."""
    constant = coords.detach()
    if torch.is_grad_enabled() and params.requires_grad:
        jets = _OfParameters.apply(params, constant, network, order)
    else:
        jets = torch.from_numpy(network.evaluate(params.detach().numpy(), constant.numpy(), order))
    if torch.is_grad_enabled() and coords.requires_grad:
        jets = jets + _OfCoordinates.apply(coords, jets.detach(), [params], network, order)
    return jets


def _square(upper: Tensor, dims: int) -> Tensor:
    """Symmetric matrices (n, c, d, d) of their upper triangles (n, c, d (d + 1) / 2), row by row."""
    index = [[0] * dims for _ in range(dims)]
    at = 0
    for i in range(dims):
        for j in range(i, dims):
            index[i][j] = index[j][i] = at
            at += 1
    return upper[:, :, torch.tensor(index, device=upper.device)]


class _Names(nn.Module):
    """A level of the names of parameters."""


class Siren(nn.Module):
    """A sinusoidal network of (in_features,) coordinates and (out_features,) channels.

    `net(x)` gives the values (n, c) at coordinates (n, d), differentiable in parameters and coordinates. `net.jet(x, order)` gives derivatives too,
    which one backward pass differentiates in the parameters. Parameters are drawn by the authors' rule, from `seed` or,
    without one, from PyTorch's generator (`torch.manual_seed`), and have the names of the authors'
    checkpoints: `net.net.0.0.weight`, `net.net.0.0.bias`, ... Those of the authors' notebook (`net.0.linear.weight`, ..., `net.4.weight`) load too.

    `activation` is a name (sine, finer, wire, gaussian, relu, ...), or a table of it with its settings, such as `{"gaussian": {"scale": 30.0}}`; `field`
    holds further keys of the table `[field]` of a config, such as `encoding`.

    The network is computed on the CPU, in `float32` or, after `net.double()`, in `float64`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden_features: int = 256,
        hidden_layers: int = 3,
        activation: str | Mapping[str, Any] = "sine",
        *,
        first_omega_0: float = 30.0,
        hidden_omega_0: float = 30.0,
        seed: int | None = None,
        **field: Any,
    ) -> None:
        super().__init__()
        table = {
            "hidden_features": hidden_features,
            "hidden_layers": hidden_layers,
            "activation": activation,
            "first_omega_0": first_omega_0,
            "hidden_omega_0": hidden_omega_0,
            **field,
        }
        if seed is None:
            seed = int(torch.randint(2**62, ()))
        network, params = _siren.Network.draw(in_features, out_features, table, seed)
        self._build(network, torch.from_numpy(params).to(torch.get_default_dtype()))

    def _build(self, network: _siren.Network, params: Tensor) -> None:
        self._network = network
        self._layout = network.layout()
        start = 0
        for name, shape in self._layout:
            count = 1
            for side in shape:
                count *= side
            values = params[start : start + count].reshape(shape).clone()
            start += count
            level, leaf = self._level(name)
            level.register_parameter(leaf, nn.Parameter(values))
        self._fixed = network.fixed()
        for name, constant in self._fixed.items():
            level, leaf = self._level(name)
            level.register_buffer(leaf, torch.from_numpy(constant))
        self.register_load_state_dict_pre_hook(_rename)
        self.register_load_state_dict_post_hook(_take_fixed)

    def _level(self, name: str) -> tuple[nn.Module, str]:
        """Returns the module that holds the last part of a dotted name, and that part."""
        *levels, leaf = name.split(".")
        module: nn.Module = self
        for level in levels:
            if level not in module._modules:
                module.add_module(level, _Names())
            module = module.get_submodule(level)
        return module, leaf

    @classmethod
    def _of(cls, network: _siren.Network, params: Any) -> Siren:
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        module._build(network, torch.from_numpy(params))
        return module

    @classmethod
    def from_field(cls, field: _siren.Field) -> Siren:
        """Makes a module of a field's network, with a copy of its parameters. Its values are those of the network, before the units of the signal."""
        return cls._of(*field._network())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Siren:
        """Reads the network of a `.safetensors` file that `save`, `Field.save` or an export of a run wrote."""
        return cls._of(*_siren.Network.open(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the network with its parameters to a `.safetensors` file, which `siren.load` reads too."""
        self._network.save(self._flat().detach().numpy(), path)

    @property
    def in_features(self) -> int:
        return self._network.in_features

    @property
    def out_features(self) -> int:
        return self._network.out_features

    @property
    def config(self) -> dict[str, Any]:
        """The table `[field]` of the network."""
        return self._network.config

    def _flat(self) -> Tensor:
        """Returns the parameters (P,), differentiable."""
        parts = [self.get_parameter(name).reshape(-1) for name, _ in self._layout]
        return torch.cat(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the values (..., c) at coordinates (..., d)."""
        flat = self._flat()
        _check(flat, x, self.in_features)
        values = _packed(flat, x.reshape(-1, self.in_features), self._network, "value")
        return values.reshape(*x.shape[:-1], self.out_features)

    def jet(self, x: Tensor, order: str = "gradient") -> Jet:
        """Returns values and derivatives at coordinates (n, d), differentiable in the parameters by one fused backward pass.

        `order` is "value", "gradient", "laplacian" (with the gradient) or "hessian" (with the gradient).
        """
        if order not in _ORDERS:
            raise ValueError(f"order: expected one of {', '.join(_ORDERS)}, got {order!r}")
        flat = self._flat()
        dims = self.in_features
        _check(flat, x, dims)
        if x.dim() != 2:
            raise ValueError(f"x: expected coordinates (n, {dims}), got the shape {tuple(x.shape)}")
        jets = _packed(flat, x, self._network, order)
        value = jets[:, :, 0]
        if order == "value":
            return Jet(value)
        gradient = jets[:, :, 1 : 1 + dims]
        if order == "laplacian":
            return Jet(value, gradient, laplacian=jets[:, :, 1 + dims])
        if order == "hessian":
            return Jet(value, gradient, hessian=_square(jets[:, :, 1 + dims :], dims))
        return Jet(value, gradient)

    def extra_repr(self) -> str:
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"in_features={self.in_features}, out_features={self.out_features}, parameters={count}"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        network = state.pop("_network")
        state["_drawn"] = (network.in_features, network.out_features, network.config, network.fixed())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        in_features, out_features, config, fixed = state.pop("_drawn")
        network, _ = _siren.Network.draw(in_features, out_features, config, 0)
        super().__setstate__(state)
        self._network = network.with_fixed(fixed) if fixed else network


def _check(flat: Tensor, x: Any, dims: int) -> None:
    """Checks coordinates, so that an error names them before anything is computed."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x: expected a tensor of PyTorch, got {type(x).__name__}: `torch.from_numpy` makes one of an array")
    for name, tensor in (("x", x), ("parameters", flat)):
        if tensor.device.type != "cpu":
            raise ValueError(f"{name}: expected tensors in CPU memory, got one on the device {tensor.device}: call `.cpu()`")
    if flat.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"parameters: expected float32 or float64, got {flat.dtype}: call `net.float()`")
    if x.dtype != flat.dtype:
        method = "double" if flat.dtype == torch.float64 else "float"
        raise TypeError(f"x: expected {flat.dtype}, the type of the parameters, got {x.dtype}: call `x.{method}()`")
    if x.dim() < 1 or x.shape[-1] != dims:
        raise ValueError(f"x: expected coordinates (n, {dims}), got the shape {tuple(x.shape)}")


def _rename(module: Siren, state: dict[str, Any], prefix: str, *_others: Any) -> None:
    """Renames the tensors of the authors' notebook, and drops a prefix `module.`, as `DataParallel` adds."""
    for name, _ in module._layout:
        if prefix + name in state or not name.startswith("net.net."):
            continue
        index, _, kind = name.removeprefix("net.net.").partition(".0.")
        for other in (f"module.{name}", f"net.{index}.linear.{kind}", f"net.{index}.{kind}"):
            if prefix + other in state:
                state[prefix + name] = state.pop(prefix + other)
                break


def _take_fixed(module: Siren, _keys: Any) -> None:
    """Makes the network of the constant tensors that were loaded."""
    if module._fixed:
        fixed = {name: module.get_buffer(name).detach().double().numpy() for name in module._fixed}
        module._network = module._network.with_fixed(fixed)
        module._fixed = fixed
