"""PyTorch's side of `cargo xtask bench peers`; main.rs is the other.

Answers one line of JSON on standard input with one line on standard output:

    {"do": "versions"}                                  {"torch", "python", "cpu", "threads", …}
    {"do": "prepare", "case", "kind", "batch", "mode"}  {"parameters", "layout"}
    {"do": "run", "seconds", "repetitions"}             {"seconds": [...], "peak_bytes"}
    {"do": "compare", "case", "path"}                   {"parameters", "worst": {...}}

and anything that fails with {"error"}. A case is what main.rs says of it: model and training.
"""

import argparse
import json
import os
import platform
import sys
import time

import torch
from safetensors.torch import load_file

from agreement import compare
from work import prepare

# What a library prints must not come between the answers.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def memory(field):
    """Bytes of resident memory on Linux: `VmRSS` now, `VmHWM` at most since the last reset."""
    try:
        with open("/proc/self/status") as status:
            lines = [line for line in status if line.startswith(f"{field}:")]
        return int(lines[0].split()[1]) * 1024
    except (OSError, IndexError):
        return None


def reset_peak():
    """Whether the peak starts over from what is resident now (proc(5))."""
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        return True
    except OSError:
        return False


class Session:
    """The work that is prepared, if any."""

    def __init__(self):
        self.work = None

    def versions(self):
        return {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
            "bytes_at_rest": memory("VmRSS"),
        }

    def prepare(self, case, kind, batch, mode):
        self.work, said = prepare(case, kind, batch, mode)
        return said

    def run(self, seconds, repetitions):
        resettable = reset_peak()
        times = []
        started = time.perf_counter()
        while len(times) < max(repetitions, 1) or time.perf_counter() - started < seconds:
            begun = time.perf_counter()
            self.work()
            times.append(time.perf_counter() - begun)
        return {"seconds": times, "peak_bytes": memory("VmHWM") if resettable else None}

    def compare(self, case, path):
        return compare(case, load_file(path))

    def answer(self, request):
        verbs = {f.__name__: f for f in (self.versions, self.prepare, self.run, self.compare)}
        return verbs[request.pop("do")](**request)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    torch.set_num_threads(parser.parse_args().threads)
    session = Session()
    for line in sys.stdin:
        try:
            answer = session.answer(json.loads(line))
        # Whatever fails in one row, a compiler's crash among them, is that row's answer.
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
