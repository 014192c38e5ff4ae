"""Rows drawn as if by chance, and yet the same ones however the input is cut into shards.

A row's rank is a hash of what is in it. The rows with the smallest ranks are a uniform sample of
those that differ in text, time or user; rows that are alike in all three count as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = (np.uint64(30), np.uint64(27), np.uint64(31))


def ranks(*columns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number for each row that depends on its values alone, and has nothing to do with them.

    Args:
        columns: uint64[rows] each, the `digests` of its values.

    Returns:
        uint64[rows], mixed after Steele, Lea and Flood, Fast Splittable Pseudorandom Number
        Generators (2014).
    """
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        mixed = (mixed ^ column) + _STEP
        mixed = (mixed ^ (mixed >> _SHIFT[0])) * _MIX[0]
        mixed = (mixed ^ (mixed >> _SHIFT[1])) * _MIX[1]
        mixed ^= mixed >> _SHIFT[2]
    return mixed


def smallest(
    ranks: NDArray[np.uint64], groups: NDArray[np.int64], number: int
) -> NDArray[np.int64]:
    """Places of the `number` smallest ranks of each group; of equal ranks the first.

    Args:
        ranks: uint64[n].
        groups: int64[n], to which group each belongs.
        number: at most so many of each.
    """
    _, first = np.unique(ranks, return_index=True)  # sorted by rank
    order = first[np.argsort(groups[first], kind="stable")]
    sorted_groups = groups[order]
    starts = np.searchsorted(sorted_groups, sorted_groups)
    return order[np.arange(len(order)) - starts < number]


def digests(values: Sequence[Any]) -> NDArray[np.uint64]:
    """uint64[n], below 2**32; the same for what reads the same."""
    try:
        distinct = set(values)
    except TypeError:  # JSON may have lists for times and users
        return np.fromiter(map(_digest, values), np.uint64, len(values))
    try:
        known = dict(zip(distinct, map(crc32, map(str.encode, distinct)), strict=True))
    except (TypeError, UnicodeEncodeError):  # not all of it is text, or not fit to be written
        known = {value: _digest(value) for value in distinct}
    return np.fromiter(map(known.__getitem__, values), np.uint64, len(values))


def _digest(value: Any) -> int:
    return crc32(str(value).encode("utf-8", "surrogatepass"))
