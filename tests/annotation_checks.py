"""Annotations of `analysis` are checked on every call while tests run, at a cost that tests can bear."""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable

import jaxtyping
from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

_CONF = BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError)
"""A whole number may stand for a float."""
_thoroughly = jaxtyping.jaxtyped


def install() -> None:
    """Check whatever is imported of `analysis` from now on."""
    jaxtyping.jaxtyped = _jaxtyped  # what the hook writes above every function and class
    jaxtyping.install_import_hook("analysis", "beartype.beartype")


def _jaxtyped(*, typechecker) -> Callable:
    """Instead of jaxtyping's own, which binds and checks arguments twice and takes longer than what it checks."""
    return checked


def checked(given):
    """A function that checks its arguments and what it returns; of a dataclass, what it is made of."""
    if inspect.isclass(given):
        if dataclasses.is_dataclass(given) and "__init__" in vars(given):
            given.__init__ = checked(given.__init__)
        return given
    hints = given.__annotations__.values()
    if inspect.isgeneratorfunction(given) or any(map(_is_open, hints)):
        return _thoroughly(given, typechecker=_typechecked)
    if not hints:
        return given
    return (_in_a_scope if any(map(_is_array, hints)) else _alone)(given, _typechecked(given))


def _alone(function, own):
    @functools.wraps(function)
    def checking(*args, **kwargs):
        return (function if jaxtyping.config.jaxtyping_disable else own)(*args, **kwargs)

    return checking


def _in_a_scope(function, own):
    """An axis has one size in all arguments and in what is returned."""

    @functools.wraps(function)
    def checking(*args, **kwargs):
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        with _thoroughly("context"):
            return own(*args, **kwargs)

    return checking


def _typechecked(function):
    """Check a function's annotations, unless one names a protocol that has no meaning at run time."""
    try:
        return beartype(conf=_CONF)(function)
    except BeartypeDecorHintPep3119Exception:
        return function


def _is_open(hint) -> bool:
    """Whether this is, or holds, a name that may not be known yet or an axis whose size an argument says."""
    named = isinstance(hint, str | typing.ForwardRef)
    return named or "{" in getattr(hint, "dim_str", "") or any(map(_is_open, _parts(hint)))


def _is_array(hint) -> bool:
    """Whether this is, or holds, an annotation of an array."""
    array = isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)
    return array or any(map(_is_array, _parts(hint)))


def _parts(hint) -> tuple | list:
    return hint if isinstance(hint, list) else typing.get_args(hint)  # a list of the arguments of a Callable
