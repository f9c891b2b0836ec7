"""`python -m benchmarks CLAIM [--quick]`: measure one claim, print its table, leave the figures as JSON."""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CLAIMS = {
    "rows": "softmax, log_softmax and cross_entropy of logits against torch and SciPy",
    "torch": "lastlayer.torch against torch.nn.functional, call by call",
    "linear": "linear_cross_entropy against torch's plain and chunked paths, forward and backward",
    "fit": "SoftmaxClassifier against scikit-learn, to the same objective",
    "labels": "SigmoidClassifier against one LogisticRegression a label, to the same objective",
    "path": "SoftmaxClassifierCV against single fits and LogisticRegressionCV",
    "temperature": "fit_temperature against a copy of the logits, scikit-learn and probmetrics",
    "report": "evaluate --report on a million rows: seconds, memory, size of the page, and its slider in a browser",
    "explorer": "lastlayer explore in a browser: from a key or a slider to painted numbers, page weight, first paint",
    "decide": "rules that say do not know: is their accuracy kept, and at what coverage",
    "sets": "prediction sets over resplits of held-out rows, and thresholds of 1,000 labels against sorts",
    "huge": "an exact fit of the shape of ImageNet's features: passes, seconds and the certified gap",
    "bfloat16": "a step of a large fit in bfloat16 against one in float32, over features and classes",
    "scale": "a fit on Ray workers against one process of as many threads; what dies meanwhile",
    "sharded": "classes over 1, 2 and 4 processes against one head and torch's loss_parallel: time, memory, error",
    "spool": "features on a disk against features in memory: seconds of a fit, peak memory of a command",
    "sampled": "sampled losses as classes climb, drawing candidates, and the bias of the gradient",
}
# What a claim's `measure` takes besides `quick`.
OPTIONS = {
    "scale": {
        "--labels": {"action": "store_true", "help": "fits of many labels a row, in turn with one process"},
        "--kills": {"action": "store_true", "help": "kill workers, drivers and a node; is the answer right"},
        "--large": {"action": "store_true", "help": "sizes for a quiet machine with memory"},
        "--pairs": {
            "type": int,
            "metavar": "N",
            "help": "a fit of some 20 s on one and two workers and in one process, N times",
        },
    },
    "torch": {"--window": {"action": "store_true", "help": "where the kernels win; writes the table that they go by"}},
    "linear": {
        "--top-k": {"action": "store_true", "help": "the most probable of a million classes, against one product"},
        "--fit": {"action": "store_true", "help": "an exact fit of 10,000 classes, against its products"},
    },
    "huge": {
        "--rows": {"type": int, "metavar": "N"},
        "--features": {"type": int, "metavar": "D"},
        "--classes": {"type": int, "metavar": "K"},
        "--large": {"action": "store_true", "help": "ImageNet's own: 1,281,167 x 2048 x 1000, 10.5 GB of shards"},
        "--penalties": {"nargs": "+", "type": float, "default": (1.0,), "metavar": "C", "help": "values of C"},
        "--tol": {"type": float, "default": 1e-4},
        "--max-iter": {"type": int, "default": 1000, "help": "iterations at most"},
    },
    "spool": {"--large": {"action": "store_true", "help": "10,000,000 x 64 x 20, which takes 15 GB of disk"}},
    "labels": {"--f1": {"action": "store_true", "help": "thresholds chosen on held-out rows, and the F1 they give"}},
    "rows": {
        "--sweep": {"action": "store_true", "help": "two functions against torch over the number of classes"},
        "--classes": {"nargs": "+", "type": int, "metavar": "K", "help": "the counts of --sweep"},
    },
}
RESULTS = Path(__file__).parent / "results"
# What makes torch and Numba run what they would on a processor without the newer instructions.
INSTRUCTIONS = {
    "avx512": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
}


def main():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds: a look, not a claim")
    common.add_argument("--output", type=Path, default=RESULTS, help="folder for the JSON")
    elsewhere = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    elsewhere.add_argument("--isa", choices=INSTRUCTIONS, help="measure in a process with these instructions only")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    claims = parser.add_subparsers(dest="claim", required=True)
    for claim, text in CLAIMS.items():
        of_claim = claims.add_parser(claim, help=text, description=text, parents=[common, elsewhere])
        for option, details in OPTIONS.get(claim, {}).items():
            of_claim.add_argument(option, **details)
    options = vars(parser.parse_args())
    isa = options.pop("isa")
    if isa is not None:
        _, command = elsewhere.parse_known_args()
        sys.exit(
            subprocess.run([sys.executable, "-m", "benchmarks", *command], env=with_isa(isa), check=False).returncode
        )
    claim, output = options.pop("claim"), options.pop("output")
    figures = importlib.import_module(f"benchmarks.{claim}").measure(**options)
    document = {"claim": claim, "quick": options["quick"], **machine(), **figures}
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{claim}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nfigures: {path}")


def with_isa(isa):
    """The environment of a process that runs only these instructions; Numba's cache is its own."""
    cache = RESULTS / f"numba-{isa}"
    cache.mkdir(parents=True, exist_ok=True)
    return {**os.environ, **INSTRUCTIONS[isa], "NUMBA_CACHE_DIR": str(cache)}


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
        "environment": {name: os.environ[name] for name in INSTRUCTIONS["avx2"] if name in os.environ},
        "versions": versions,
    }


if __name__ == "__main__":
    main()
