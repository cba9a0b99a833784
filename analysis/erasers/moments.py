"""What linear erasers need to know of labelled states: means, variances and covariances, gathered batch by batch."""

import numpy as np
from jaxtyping import Float, Float64, Int, Num

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent

BATCH = 512
"""States that are widened to float64 at a time."""
ROUNDING = 1e-12
"""Of what is usual: a difference below this is rounding in float64."""


class Moments:
    """Count, means, variances and covariances of states and of labels, in float64.

    Labels have k columns: one per class with a 1 for the class that a state has, or numbers such as a latitude and
    a longitude. Which of the two they are is said once, and a class's number is never taken for an amount. Batches
    can come in any order, or be gathered apart and merged.

    Source: Chan, Golub & LeVeque 1979 (updating by differences of means, sound where means are large).
    Misleads when: examples are few beside the width of a state; then covariances are mostly noise.
    """

    def __init__(self, d: int, k: int, *, numbers: bool = False):
        if d < 1 or k < (1 if numbers else 2):
            raise AnalysisError(
                "Moments need states of at least 1 number, and labels of at least 2 classes or of 1 column of "
                f"numbers; given states of {d} and {k} {'columns' if numbers else 'classes'}."
            )
        self.numbers = numbers
        """True if labels are amounts; else every row is one-hot."""
        self.count = 0
        """Examples."""
        self.mean: Float64[np.ndarray, " d"] = np.zeros(d)
        """Of states."""
        self.label_mean: Float64[np.ndarray, " k"] = np.zeros(k)
        """Of labels; each class's share of the examples where they are one-hot."""
        self._scatter = np.zeros((d, d))
        self._cross_scatter = np.zeros((d, k))
        self._label_scatter = np.zeros(k)

    @property
    def d(self) -> int:
        """Numbers of a state."""
        return len(self.mean)

    @property
    def k(self) -> int:
        """Classes, whether or not they have examples, or columns of numbers."""
        return len(self.label_mean)

    @property
    def covariance(self) -> Float64[np.ndarray, "d d"]:
        """Covariance of states, divided by the number of examples."""
        return self._scatter / self.count

    @property
    def cross_covariance(self) -> Float64[np.ndarray, "d k"]:
        """Covariance of states and labels, divided by the number of examples."""
        return self._cross_scatter / self.count

    @property
    def label_variance(self) -> Float64[np.ndarray, " k"]:
        """Variance of each column of labels, divided by the number of examples."""
        return self._label_scatter / self.count

    @property
    def differences(self) -> Float64[np.ndarray, "k d"]:
        """Directions that show the labels linearly, in units of the states; together they span all of it.

        Of a class, its mean minus the mean of all. Of a column of numbers, how states move on average as it grows
        by one standard deviation. Zero where a class has no example or a column does not vary.
        """
        unit = np.sqrt(self.label_variance) if self.numbers else self.label_mean
        return np.divide(self.cross_covariance, unit, out=np.zeros((self.d, self.k)), where=unit > 0).T

    def update(self, states: Float[np.ndarray, "example d"], labels: Num[np.ndarray, "..."]) -> "Moments":
        """Take in a batch.

        Args:
            states: finite, as wide as announced.
            labels: (example, k), floats; see the class.

        Returns:
            Itself.

        Raises:
            AnalysisError: widths or lengths differ, something is not finite, or labels are not of the kind announced.
        """
        self._require_batch(states, labels)
        if len(states) == 0:
            return self
        batch = Moments(self.d, self.k, numbers=self.numbers)
        batch.count = len(states)
        batch.mean, batch.label_mean = states.mean(0, dtype=np.float64), labels.mean(0, dtype=np.float64)
        about, labels_about = states - batch.mean, labels - batch.label_mean
        batch._scatter, batch._cross_scatter = about.T @ about, about.T @ labels_about
        batch._label_scatter = (labels_about**2).sum(0)
        return self.merge(batch)

    def merge(self, other: "Moments") -> "Moments":
        """Take in what was gathered elsewhere.

        Returns:
            Itself.

        Raises:
            AnalysisError: the other ones are of other states or labels.
        """
        if (self.d, self.k, self.numbers) != (other.d, other.k, other.numbers):
            raise AnalysisError(
                f"Moments of {other} cannot join those of {self}. Gather both with the same settings."
            )
        both = self.count + other.count
        if both == 0:
            return self
        part = other.count / both
        moved, labels_moved = other.mean - self.mean, other.label_mean - self.label_mean
        weight = self.count * part
        self._scatter = self._scatter + other._scatter + weight * np.outer(moved, moved)
        self._cross_scatter = (
            self._cross_scatter + other._cross_scatter + weight * np.outer(moved, labels_moved)
        )
        self._label_scatter = self._label_scatter + other._label_scatter + weight * labels_moved**2
        self.mean, self.label_mean = self.mean + part * moved, self.label_mean + part * labels_moved
        self.count = both
        return self

    def __str__(self) -> str:
        """What they are of."""
        return (
            f"states of {self.d} numbers with {self.k} {'columns of numbers' if self.numbers else 'classes'}"
        )

    def require_labels(self) -> None:
        """Refuse to fit an eraser where a class has no example or a column of numbers never varies.

        Raises:
            AnalysisError: with the number of the first such class or column.
        """
        if not self.count:
            raise AnalysisError(
                "No examples were given, so there is nothing to erase. Add labelled examples."
            )
        self._require_varying() if self.numbers else self._require_classes()

    def require_difference(self) -> None:
        """Refuse labels that states do not show linearly: all differences are zero, but for rounding.

        Raises:
            AnalysisError: no difference is left, or as `require_labels` says.
        """
        self.require_labels()
        usual = max(np.sqrt(np.trace(self.covariance)), np.abs(self.mean).max())
        if np.abs(self.differences).max() <= ROUNDING * usual:
            same = (
                "The mean state is the same whatever the number"
                if self.numbers
                else "All classes have the same mean state"
            )
            raise AnalysisError(
                f"{same}, so there is nothing to erase linearly. Check the labels, or choose another layer."
            )

    def _require_classes(self) -> None:
        if self.label_mean.max() == 1:
            raise AnalysisError(
                f"All {self.count:,} examples are of class {int(self.label_mean.argmax())}, so there is nothing to "
                "erase. Add examples of another class."
            )
        if not self.label_mean.all():
            raise AnalysisError(
                f"Class {int(self.label_mean.argmin())} of {self.k} has no example, so it cannot be erased. Add "
                "examples, or number the classes without it."
            )

    def _require_varying(self) -> None:
        flat = np.flatnonzero(np.sqrt(self.label_variance) <= ROUNDING * np.abs(self.label_mean))
        if len(flat):
            raise AnalysisError(
                f"Column {flat[0] + 1} of {self.k} of the numbers is {self.label_mean[flat[0]]:g} for all "
                f"{self.count:,} examples, so there is nothing to erase. Add examples with other numbers, or leave "
                "the column out."
            )

    def _require_batch(self, states: np.ndarray, labels: np.ndarray) -> None:
        if states.ndim != 2 or states.shape[1] != self.d:
            raise AnalysisError(
                f"States of {self.d} numbers each are needed; given an array of shape {states.shape}. Use states "
                "of one layer of one model."
            )
        if labels.shape != (len(states), self.k) or not np.issubdtype(labels.dtype, np.floating):
            raise AnalysisError(
                f"Labels of {len(states):,} states need the shape ({len(states)}, {self.k}) and a type of floats; "
                f"given {labels.shape} of {labels.dtype}. Make classes one-hot with `one_hot`, and give amounts as "
                "columns."
            )
        if not np.isfinite(states).all():
            raise AnalysisError(
                "A state holds numbers that are not finite. Run the model in a wider precision, or remove it."
            )
        if not np.isfinite(labels).all():
            raise AnalysisError("A label is not finite. Fill it in, or remove its example.")
        if not self.numbers and not (((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all()):
            raise AnalysisError(
                "Labels of classes hold one 1 in every row and else 0, and these do not. Announce amounts with "
                "`numbers=True`."
            )


def moments_of(
    states: Float[np.ndarray, "example d"],
    classes: Num[np.ndarray, "..."],
    count: int | None = None,
    *,
    report: Report = silent,
) -> Moments:
    """Moments of states with classes, read batch by batch.

    Args:
        states: finite; may be mapped from disk.
        classes: the number of each state's class, from 0 on.
        count: of classes; None is as many as the largest number says.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: as `Moments.update` says, or a class has no example.
    """
    _require_pairs(states, classes)
    classes = require_classes(classes, count)
    count = count or max(int(classes.max(initial=0)) + 1, 2)
    return _gathered(Moments(states.shape[1], count), states, one_hot(classes, count), report)


def moments_of_numbers(
    states: Float[np.ndarray, "example d"], numbers: Num[np.ndarray, "..."], *, report: Report = silent
) -> Moments:
    """Moments of states with numbers, read batch by batch.

    Args:
        states: finite; may be mapped from disk.
        numbers: (example, k), floats: one column for each quantity, in any unit.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: as `Moments.update` says, or a column never varies.
    """
    _require_pairs(states, numbers)
    if numbers.ndim != 2 or not np.issubdtype(numbers.dtype, np.floating):
        raise AnalysisError(
            f"Numbers to erase come as floats, one column for each quantity; given shape {numbers.shape} of "
            f"{numbers.dtype}. Whole numbers of classes belong to `moments_of`."
        )
    moments = Moments(states.shape[1], numbers.shape[1], numbers=True)
    return _gathered(moments, states, numbers, report)


def one_hot(classes: Int[np.ndarray, " example"], count: int) -> Float64[np.ndarray, "example class"]:
    """A row for every example, with a 1 in the column of its class."""
    return np.eye(count)[classes]


def require_classes(classes: Num[np.ndarray, "..."], count: int | None = None) -> Int[np.ndarray, " example"]:
    """The classes themselves, if they are numbered from 0 on.

    Args:
        classes: of every example.
        count: of classes; None is as many as the largest number says.

    Raises:
        AnalysisError: they are no whole numbers, or one is out of range.
    """
    if classes.ndim != 1 or not np.issubdtype(classes.dtype, np.integer):
        raise AnalysisError(
            f"Every state needs the whole number of its class; given classes of shape {classes.shape} and type "
            f"{classes.dtype}."
        )
    if len(classes) and not 0 <= classes.min() <= classes.max() < (count or np.inf):
        upwards = f"to {count - 1}" if count else "on"
        raise AnalysisError(
            f"Classes are numbered from 0 {upwards}; given {classes.min()} to {classes.max()}."
        )
    return classes


def _require_pairs(states: np.ndarray, labels: np.ndarray) -> None:
    if states.ndim != 2:
        raise AnalysisError(f"Erasers need states (example, d); given an array of shape {states.shape}.")
    if labels.shape[:1] != states.shape[:1]:
        raise AnalysisError(
            f"Every state needs a label; given {len(states):,} states and labels of shape {labels.shape}."
        )


def _gathered(moments: Moments, states: np.ndarray, labels: np.ndarray, report: Report) -> Moments:
    for start in range(0, len(states), BATCH):
        report("Gathering statistics", start, len(states))
        batch = slice(start, start + BATCH)
        moments.update(np.asarray(states[batch]), np.asarray(labels[batch]))
    report("Gathering statistics", len(states), len(states))
    moments.require_labels()
    return moments
