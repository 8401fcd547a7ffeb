"""Does `python -m training lint` find defective pictures among the good ones? Mixes some in, and looks where they rank.

In: products in the MVTec AD layout, a store with a backbone. Out: a line for each product. No time is measured.
"""

import argparse
import random
from pathlib import Path

from model_store.backbones import BackboneStore
from training.config import load_config
from training.data import GOOD, Sample, load_pictures
from training.suspects import see_backbone, suspect

GOOD_ONES, DEFECTIVE, SHOWN = 150, 8, 24


def main() -> None:
    """One draw of each product, the same each time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, nargs="+", required=True)
    options.add_argument("--store", type=Path, default=Path("var/models"))
    arguments = options.parse_args()
    for root in arguments.data:
        ranks, suspected, false_alarms = rank(root, arguments.store)
        shown = sum(place < SHOWN for place in ranks)
        print(
            f"{root.name}: {shown} of {DEFECTIVE} among the first {SHOWN}, {suspected} suspected; "
            f"{false_alarms} of {GOOD_ONES} good ones suspected; ranks {ranks}"
        )


def rank(root: Path, store: Path) -> tuple[list[int], int, int]:
    """Ranks of the defective ones, 0 is the strangest; how many of them, and of the good ones, are suspected."""
    drawn = random.Random(0)  # noqa: S311 -- a draw, no secret
    good = drawn.sample(sorted((root / "train/good").iterdir()), GOOD_ONES)
    kinds = (folder for folder in (root / "test").iterdir() if folder.name != GOOD)
    bad = drawn.sample(sorted(file for folder in kinds for file in folder.iterdir()), DEFECTIVE)
    config = load_config("cpu", {"product": root.name, "data": str(root), "store": str(store)}, [])
    pictures = load_pictures([Sample(file, "", GOOD) for file in good + bad], config.input)
    backbones = BackboneStore(store / "backbones")
    spec = backbones.default()
    if spec is None:
        raise SystemExit(f"{store} has no backbone: python -m model_store import-backbone")
    features = config.evidence.backbone
    see = see_backbone(spec, backbones.load(spec.digest), config.input, features)
    found = suspect(pictures, drawn.sample(range(len(pictures)), len(pictures)), see, features)
    order = sorted(range(len(found)), key=lambda place: -found[place].z)
    ranks = sorted(order.index(GOOD_ONES + place) for place in range(DEFECTIVE))
    return ranks, *(sum(each.is_suspect for each in part) for part in (found[GOOD_ONES:], found[:GOOD_ONES]))


if __name__ == "__main__":
    main()
