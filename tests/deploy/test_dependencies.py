"""docs/dependencies.md says of each dependency why it is here and under which licence; no more, no fewer."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_dependency_is_explained_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(line for lines in extras for line in lines)]
    names = {re.split(r"[^A-Za-z0-9_-]", line, maxsplit=1)[0] for line in declared} - {"inspect-line"}
    rows = re.findall(r"^\| `([\w-]+)` \| [^|]+ \| [^|]{10,} \|$", (ROOT / "docs/dependencies.md").read_text(), re.M)
    assert set(rows) == names
    assert len(rows) == len(names)
