"""PyTorch with torch.compile; derivatives in space are not compiled, as it cannot differentiate twice."""

import torch

import torch_eager


def version():
    return torch_eager.version()


def prepare(case, threads, device):
    if case["kind"] == "hyper":
        raise SystemExit("no engine: hypernetworks are not compiled")
    if case["kind"] not in ("value", "render", "batched"):
        raise SystemExit("torch.compile does not support double backward")
    return torch_eager.prepare(case, threads, device, wrap=torch.compile)
