"""A person's own labels of a dictionary's features: kept in the store, and taken back one by one."""

import threading

from analysis import store
from analysis.dictionaries.dictionary import Dictionary
from analysis.errors import AnalysisError
from analysis.jobs import silent

LONGEST = 120
"""Characters of a label."""
FILE, MOST_STEPS = "labels.json", 200
_LOCK = threading.Lock()


def own_labels(dictionary: str) -> dict[int, str]:
    """The labels of a dictionary's features that a person gave.

    Args:
        dictionary: its fingerprint.
    """
    return {int(feature): label for feature, label in _read(dictionary)["labels"].items()}


def give_label(dictionary: Dictionary, feature: int, label: str) -> None:
    """Call a feature by a name of one's own; an empty one gives the automatic label back.

    Args:
        dictionary: whose feature.
        feature: its number.
        label: up to 120 characters; line ends become spaces.

    Raises:
        AnalysisError: there is no such feature, the label is too long, or the disk is full.
    """
    tidy = " ".join(label.split())
    if not 0 <= feature < dictionary.features:
        raise AnalysisError(
            f"{dictionary.name} has features 0 to {dictionary.features - 1}; given {feature}."
        )
    if len(tidy) > LONGEST:
        raise AnalysisError(f"A label has up to {LONGEST} characters; given {len(tidy)}. Shorten it.")
    with _LOCK, store.held(f"labels-{dictionary.fingerprint}", silent, "Waiting for the labels"):
        said = _read(dictionary.fingerprint)
        before = said["labels"].get(str(feature), "")
        if tidy == before:
            return
        said["steps"] = [*said["steps"], [feature, before]][-MOST_STEPS:]
        _write(dictionary.fingerprint, _with(said, feature, tidy))


def undo_label(dictionary: Dictionary) -> int | None:
    """Take the last change of a label back.

    Returns:
        The feature whose label it was; None where nothing is left to take back.
    """
    with _LOCK, store.held(f"labels-{dictionary.fingerprint}", silent, "Waiting for the labels"):
        said = _read(dictionary.fingerprint)
        if not said["steps"]:
            return None
        feature, before = said["steps"].pop()
        _write(dictionary.fingerprint, _with(said, feature, before))
        return int(feature)


def _with(said: dict, feature: int, label: str) -> dict:
    labels = {name: text for name, text in said["labels"].items() if name != str(feature)}
    return said | {"labels": labels | ({str(feature): label} if label else {})}


def _read(dictionary: str) -> dict:
    path = store.home() / "feature_labels" / dictionary / FILE
    if not path.exists():
        return {"labels": {}, "steps": []}
    return store.read_json(path)


def _write(dictionary: str, said: dict) -> None:
    store.write_json(store.folder("feature_labels", dictionary) / FILE, said)
