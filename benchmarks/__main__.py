"""`python -m benchmarks NAME`: plan, twins, batch, bandits, learn, irl, deep, gpu, readme."""

import importlib
import sys

NAMES = ("plan", "twins", "batch", "learn", "bandits", "irl", "deep", "gpu", "readme")


def main() -> int:
    """Hand over to the module of that name."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.stderr.write(f"usage: python -m benchmarks {{{','.join(NAMES)}}} [options]\n")
        return 2
    name = sys.argv.pop(1)
    sys.argv[0] = f"python -m benchmarks {name}"
    return importlib.import_module(f"benchmarks.{name}").main() or 0


if __name__ == "__main__":
    raise SystemExit(main())
