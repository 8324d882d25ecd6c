"""What a CUDA device reaches with PyTorch: products of matrices in each arithmetic, and copies. Prints one line of JSON."""

import argparse
import json

import torch

# A large product, and that of a hidden layer of width 256 at 65,536 points.
SHAPES = {"8192": (8192, 8192, 8192), "65536 x 256": (65536, 256, 256)}
COPY_BYTES = 256 << 20


def seconds(work, repeats=20):
    """Returns the median time of a piece of work on the device."""
    times = []
    for index in range(repeats + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        if index >= 3:
            times.append(start.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


def products(device):
    """Returns TFLOP/s by arithmetic and shape."""
    found = {}
    for name, dtype, precision in [
        ("f32", torch.float32, "highest"),
        ("TF32", torch.float32, "high"),
        ("bf16", torch.bfloat16, "highest"),
        ("f16", torch.float16, "highest"),
    ]:
        torch.set_float32_matmul_precision(precision)
        found[name] = {}
        for shape, (m, k, n) in SHAPES.items():
            a = torch.randn(m, k, device=device, dtype=dtype)
            b = torch.randn(k, n, device=device, dtype=dtype)
            out = torch.empty(m, n, device=device, dtype=dtype)
            found[name][shape] = 2 * m * k * n / seconds(lambda: torch.mm(a, b, out=out)) / 1e12
    return found


def copies(device):
    """Returns GB/s, read and written."""
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / seconds(lambda: target.copy_(source)) / 1e9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", required=True)
    device = parser.parse_args().device
    torch.cuda.set_device(device)
    answer = {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "teraflops": products(device),
        "copy_gigabytes_per_second": copies(device),
    }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
