"""The one error that users see, and the one that ends cancelled work."""


class AnalysisError(ValueError):
    """A sentence for the person at the screen: what was given, what was expected, what to do.

    Everything else that is raised is a bug.
    """


class Cancelled(Exception):
    """Raised inside work whose job was cancelled or abandoned; nobody needs to read it."""
