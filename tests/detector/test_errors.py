"""The tree drawn in detector/errors.py is the tree that exists."""

import re

import detector.errors as module
from detector.errors import DetectorError


def drawn() -> dict[str, int]:
    """Name → depth, from the docstring."""
    tree = {}
    for line in (module.__doc__ or "").splitlines():
        if found := re.match(r"([│ ]*(?:├── |└── )?)([A-Z]\w+)(?:\s{2,}|$)", line):
            tree[found[2]] = len(found[1]) // 4
    return tree


def existing(root: type[Exception], depth: int = 0) -> dict[str, int]:
    tree = {root.__name__: depth}
    for child in root.__subclasses__():
        tree |= existing(child, depth + 1)
    return tree


def test_the_drawn_tree_is_the_real_one() -> None:
    assert drawn() == existing(DetectorError)


def test_every_error_says_what_it_means() -> None:
    names = [name for name in vars(module) if isinstance(vars(module)[name], type)]
    assert sorted(names) == sorted(existing(DetectorError))
    assert all(vars(module)[name].__doc__ for name in names)
