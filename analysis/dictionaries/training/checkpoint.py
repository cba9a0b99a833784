"""A training on disk: everything that the next step depends on, in one file that appears whole."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from analysis import store
from analysis.dictionaries.training.plan import Step
from analysis.dictionaries.training.trainer import Trainer
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint

NAMED = ("done", "threshold", "penalty")


def save(path: Path, trainer: Trainer, curve: list[Step]) -> None:
    """Write the state of a training and its curve so far.

    Raises:
        AnalysisError: the disk is full; the checkpoint before stays as it was.
    """
    state = trainer.state()
    tensors = {f"weights.{name}": _array(values) for name, values in state["weights"].items()}
    tensors["idle"] = _array(state["idle"])
    for number, held in state["adam"]["state"].items():
        tensors |= {f"adam.{number}.{name}": _array(values) for name, values in held.items()}
    said = {name: state[name] for name in NAMED}
    said |= {"plan": fingerprint(trainer.plan), "curve": [asdict(step) for step in curve]}
    store.write_tensors(path, tensors, {"training": json.dumps(said)})


def load(path: Path, trainer: Trainer) -> list[Step]:
    """Bring a trainer of the same plan to where it was saved.

    Returns:
        The curve up to there.

    Raises:
        AnalysisError: the file is damaged, or of another plan.
    """
    tensors, about = store.read_tensors(path)
    said = json.loads(about["training"])
    if said["plan"] != fingerprint(trainer.plan):
        raise AnalysisError(
            "This checkpoint belongs to another plan of training. Start that one, or begin anew."
        )
    adam = trainer.state()["adam"]
    adam["state"] = {}
    for name in tensors:
        if name.startswith("adam."):
            _, number, what = name.split(".")
            adam["state"].setdefault(int(number), {})[what] = torch.from_numpy(tensors[name])
    weights = {
        name.removeprefix("weights."): torch.from_numpy(values)
        for name, values in tensors.items()
        if name.startswith("weights.")
    }
    state = {name: said[name] for name in NAMED}
    trainer.resume(state | {"weights": weights, "idle": torch.from_numpy(tensors["idle"]), "adam": adam})
    return [Step(**step) for step in said["curve"]]


def steps_in(path: Path) -> int:
    """How many steps a checkpoint holds."""
    return json.loads(store.read_tensors(path)[1]["training"])["done"]


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
