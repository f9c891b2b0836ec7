"""`python -m benchmarks CLAIM [--quick]`: measure one claim, print its table, leave the figures as JSON."""

import argparse
import importlib
import json
import platform
import time
from pathlib import Path

import numpy as np

CLAIMS = {
    "rows": "softmax, log_softmax and cross_entropy of logits against torch and SciPy",
    "torch": "lastlayer.torch against torch.nn.functional, eager and compiled",
    "fit": "SoftmaxClassifier against scikit-learn, to the same objective",
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("claim", choices=CLAIMS, help="; ".join(f"{name}: {text}" for name, text in CLAIMS.items()))
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds: a look, not a claim")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results", help="folder for the JSON")
    arguments = parser.parse_args()
    figures = importlib.import_module(f"benchmarks.{arguments.claim}").measure(quick=arguments.quick)
    document = {"claim": arguments.claim, "quick": arguments.quick, **machine(), **figures}
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / f"{arguments.claim}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nfigures: {path}")


def machine():
    """What a reader needs to know about where and with what this was measured."""
    versions = {}
    for name in ("numpy", "scipy", "numba", "sklearn", "torch", "lastlayer"):
        try:
            versions[name] = importlib.import_module(name).__version__
        except ImportError:
            versions[name] = None
    features = np._core._multiarray_umath.__cpu_features__
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "processor": platform.processor() or platform.machine(),
        "instructions": [name for name in ("AVX2", "FMA3", "AVX512F", "NEON", "SVE") if features.get(name)],
        "versions": versions,
    }


if __name__ == "__main__":
    main()
