"""The update of all weights of a network by one rule, written out for the rule and compiled by numba."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import os
import sys
import textwrap
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
from numba import njit

from .architecture import NORMALIZATIONS
from .numerics import CONTRACT, VECTORISED
from .rules import Formula


@njit(fastmath=CONTRACT)
def _largest(w):  # type: ignore[no-untyped-def]
    """The largest absolute weight, column by column first: unlike np.max(np.abs(w)) this vectorises."""
    columns = np.zeros(w.shape[1], np.float32)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            columns[j] = max(columns[j], abs(w[i, j]))
    return np.max(columns)


_MAX, _ZSCORE, _CLIP = (NORMALIZATIONS.index(name) for name in ("max", "zscore", "clip"))


@njit(**VECTORISED)
def normalize_layer(w, how):  # type: ignore[no-untyped-def]
    """Normalize a layer in place by the method of index ``how`` in NORMALIZATIONS; never divide by zero."""
    n, m = w.shape
    if how == _MAX:
        largest = _largest(w)
        if largest > 0:
            w /= largest
    elif how == _CLIP:
        for i in range(n):
            for j in range(m):
                w[i, j] = min(max(w[i, j], np.float32(-1)), np.float32(1))
    else:
        means, squares = np.zeros(m, np.float32), np.zeros(m, np.float32)
        if how == _ZSCORE:
            _mean(w, means)
        for i in range(n):
            for j in range(m):
                squares[j] += (w[i, j] - means[j]) ** 2
        for j in range(m):
            means[j] = means[j] if squares[j] > 0 else np.float32(0)
            squares[j] = np.sqrt(squares[j]) if squares[j] > 0 else np.float32(1)
        for i in range(n):
            for j in range(m):
                w[i, j] = (w[i, j] - means[j]) / squares[j]


@njit(**VECTORISED)
def _mean(w, means):  # type: ignore[no-untyped-def]
    """Means over inputs, summed in float64: of equal weights it is that weight exactly, and their norm then zero."""
    sums = np.zeros(w.shape[1])
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            sums[j] += w[i, j]
    for j in range(w.shape[1]):
        means[j] = sums[j] / w.shape[0]


_LEARN = """
def learn(sizes, weights, coefficients, activity, normalize, modulator):
    {prepare}
    first, start = 0, 0
    for layer in range(len(sizes) - 1):
        n, m = sizes[layer], sizes[layer + 1]
        size = n * m
        w = weights[first : first + size].reshape(n, m)
        c = {layer}
        {unpack}
        pre, post = activity[start : start + n], activity[start + n : start + n + m]
        for i in range(n):
            x = pre[i]
            for j in range(m):
                w[i, j] += {factor}delta(x, post[j], w[i, j]{arguments})
        if normalize:
            normalize_layer(w, normalize)
        first += size
        start += n
"""


_SHARED = {  # by who shares coefficients: where a layer finds its own, and the index of a synapse among them
    "synapse": ("coefficients[{k} * first : {k} * (first + size)].reshape({k}, n, m)", "[i, j]"),
    "layer": ("coefficients[{k} * layer : {k} * (layer + 1)]", ""),
    "network": ("coefficients", ""),
}
_MODULATOR = "modulator = np.float32(modulator)"  # a float64 would drag the whole formula along


@functools.cache
def compile_learning(delta: Formula, coefficients: int, sharing: str = "synapse", modulator: str = "") -> Any:
    """The numba function that updates all weights of a network by one rule.

    It is written out for the rule's number of coefficients, so that each is an array of its own (structure of arrays)
    and the compiler can vectorise the formula over a neuron's outgoing synapses.

    Compiling takes seconds. So where the formula is nothing but arithmetic on its arguments, it becomes, with the loops
    around it, a module in a file, beside which numba keeps what it compiled for the next process.

    Args:
        delta: the rule's formula.
        coefficients: how many it has.
        sharing: as the architecture's.
        modulator: what it does: "" nothing, "argument" it goes into the formula, "factor" it multiplies the change.

    Returns:
        ``learn(sizes, weights, coefficients, activity, normalize, modulator)``; weights, coefficients and activities
        are flat, ``normalize`` is an index of NORMALIZATIONS.
    """
    names = [f"c{k}" for k in range(coefficients)]
    layer, index = _SHARED[sharing]
    arguments = ["modulator"] * (modulator == "argument") + [f"{name}{index}" for name in names]
    source = _LEARN.format(
        prepare=_MODULATOR if modulator else "pass",
        layer=layer.format(k=coefficients),
        unpack="; ".join(f"{name} = c[{k}]" for k, name in enumerate(names)) or "pass",
        factor="modulator * " if modulator == "factor" else "",
        arguments="".join(f", {argument}" for argument in arguments),
    )
    formula = _arithmetic(delta)
    if formula is not None and (module := _kept(_MODULE.format(formula=formula, learn=source))) is not None:
        return module.learn
    inlined = njit(delta, inline="always", fastmath=CONTRACT)
    namespace: dict[str, Any] = {"np": np, "normalize_layer": normalize_layer, "delta": inlined}
    exec(source, namespace)
    return njit(namespace["learn"], fastmath=CONTRACT)


_MODULE = """# Written by hebbian_gym.learning
import numpy as np
from numba import njit

from hebbian_gym.learning import normalize_layer
from hebbian_gym.numerics import CONTRACT


@njit(inline="always", fastmath=CONTRACT)
{formula}


@njit(cache=True, fastmath=CONTRACT)
{learn}
"""


def _arithmetic(delta: Formula) -> str | None:
    """A formula's text as a function named ``delta``, if it uses nothing but its arguments; else None."""
    code: CodeType | None = getattr(delta, "__code__", None)
    if code is None or code.co_names or code.co_freevars or delta.__defaults__:
        return None
    try:
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(delta))).body
    except (OSError, SyntaxError, ValueError):  # typed in, or part of an expression
        return None
    if not isinstance(function, ast.FunctionDef):
        return None
    function.name, function.decorator_list, function.returns = "delta", [], None
    for argument in function.args.args:
        argument.annotation = None
    text = ast.unparse(function)
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    again = namespace["delta"].__code__
    same = (again.co_code, again.co_consts) == (code.co_code, code.co_consts)  # the file may have changed since
    return text if same else None


def _kept(text: str) -> Any:
    """A module of that text, from its file, which is made if there is none; None where no file can be made."""
    stamp = hashlib.sha256(text.encode())
    for ours in ("learning", "numerics"):  # numba looks for changes in the file itself only
        stamp.update(Path(__file__).with_name(f"{ours}.py").read_bytes())
    name = f"hebbian_gym_learning_{stamp.hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    for folder in (Path(__file__).parent / "__pycache__", Path(os.path.expanduser("~")) / ".cache" / "hebbian_gym"):
        path = folder / f"{name}.py"
        try:
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                aside = folder / f"{name}.{os.getpid()}.part"
                aside.write_text(text, encoding="utf-8")
                aside.replace(path)
        except OSError:
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)  # numba looks for it there
        spec.loader.exec_module(module)
        return module
    return None
