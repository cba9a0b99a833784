"""Measure speed and memory: `make bench`, or `python -m tests.benchmarks.run [NAME ...]`.

Targets are ratios within one run wherever that is possible: seconds say more about the machine and its
other work than about the program.
"""

import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from tests.benchmarks import app, decoding, dictionaries, engine, geometry, lens, maps, probing, prompt_map
from tests.benchmarks.measure import Quantity

BENCHMARKS = (
    app.start,
    engine.reading_everything,
    engine.recomputing,
    decoding.decoding,
    decoding.steering,
    decoding.together,
    decoding.first_token,
    decoding.beside_nulls,
    decoding.cancelling,
    lens.reading,
    app.cached_page,
    lens.fitting,
    probing.probing,
    prompt_map.mapping,
    maps.many_points,
    geometry.curves,
    geometry.curves_of_a_prompt,
    dictionaries.features,
    dictionaries.training,
    dictionaries.searching,
)
"""Every benchmark there is: each yields one or more quantities."""
OUTPUT = Path(".bench/latest.json")


def main(names: list[str]) -> int:
    known = [benchmark.__name__ for benchmark in BENCHMARKS]
    if unknown := set(names) - set(known):
        print(f"No benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    measured: list[tuple[Quantity, float]] = []
    print(_line("quantity", "value", "target", "", "compared with"))
    for benchmark in BENCHMARKS:
        if names and benchmark.__name__ not in names:
            continue
        for quantity in benchmark():
            measured.append((quantity, _load()))
            print(_row(quantity), flush=True)
    _write(measured)
    print(f"\nload average {_load():.1f} on {os.cpu_count()} processors; written to {OUTPUT}")
    return 0


def _row(quantity: Quantity) -> str:
    sign = ">=" if quantity.at_least else "<="
    target = "" if quantity.target is None else f"{sign} {quantity.target:g}"
    return _line(
        quantity.name,
        f"{quantity.value:.3g} {quantity.unit}",
        target,
        quantity.verdict,
        quantity.compared_with,
    )


def _line(name: str, value: str, target: str, verdict: str, compared_with: str) -> str:
    return f"{name:44} {value:>14} {target:>8} {verdict:5} {compared_with}".rstrip()


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def _write(measured: list[tuple[Quantity, float]]) -> None:
    rows = [asdict(quantity) | {"verdict": quantity.verdict, "load": load} for quantity, load in measured]
    machine = {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps({"machine": machine, "quantities": rows}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
