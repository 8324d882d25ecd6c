"""Worker process of one Python engine: takes a step for each line on standard input and answers in JSON lines.

The protocol is that of the Rust workers, in benches/src/worker.rs.
"""

import argparse
import importlib
import json
import os
import sys
import time

import cases


def memory(name):
    """Returns a line of /proc/self/status in bytes, or None on systems without that file."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def answer(**values):
    print(json.dumps(values), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=["torch_eager", "torch_compile", "jax_jit"], required=True)
    parser.add_argument("--case", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--arithmetic", choices=["f32", "tf32", "bf16"], default="f32")
    arguments = parser.parse_args()
    case = json.loads(arguments.case)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[: arguments.threads])
    try:
        engine = importlib.import_module(arguments.engine)
    except ImportError as error:
        answer(error=f"{error}; install the peers with: pip install -r benches/peers/requirements.txt")
        return
    baseline = memory("VmRSS")
    step = engine.prepare(case, arguments.threads, arguments.device, arguments.arithmetic)
    started = time.perf_counter()
    loss = step()
    if time.perf_counter() - started < 30:
        step()
    loss = float(loss) if case["kind"] in cases.COMPARED else None
    answer(ready={"version": engine.version(), "loss": loss})
    for _ in sys.stdin:
        started = time.perf_counter()
        step()
        answer(seconds=time.perf_counter() - started)
    answer(peak_bytes=memory("VmHWM"), baseline_bytes=baseline)


if __name__ == "__main__":
    main()
