"""A published version → the next one, the same but for the graph of its backbone.

In: a store and `product` or `product@3`, of before graphs or trained where the extra was not installed. Out: the new
`VersionRef`; weights, thresholds and pictures are the same bytes. Refuses: what a load refuses, and a version for which
no graph can be made here (`NoGraph`; the log says why).
"""

from pathlib import Path

import torch

from detector.build import detector_weights
from model_store.artifact import Draft, load_artifact
from model_store.backbones import BackboneStore
from model_store.registry import Registry, VersionRef
from training.errors import NoGraph
from training.export import graph_for, score_bytes
from training.export_graph import folded_copy

CPU = torch.device("cpu")


def add_graph(store: Path, reference: str, *, activate: bool) -> VersionRef:
    """Publish it; its golden scores are measured here and now, as every export's are."""
    registry = Registry(store)
    ref = registry.resolve(reference)
    model = load_artifact(ref.path, BackboneStore(registry.backbones_root), CPU, "reference")
    manifest, served = model.manifest, folded_copy(model.detector)
    pictures = {golden.file: (ref.path / golden.file).read_bytes() for golden in manifest.golden}
    scores = {name: score_bytes(served, data) for name, data in pictures.items()}
    graph = graph_for(model.detector, pictures, scores)
    if graph is None:
        raise NoGraph(f"{ref} reads no features of a convolutional backbone, or its graph cannot be made here")
    draft = Draft(
        product=manifest.product,
        detector=manifest.detector,
        weights=detector_weights(model.detector),
        calibration=manifest.calibration,
        training=manifest.training,
        metrics=manifest.metrics,
        golden=pictures,
        golden_scores=scores,
        golden_tolerance=manifest.golden_tolerance,
        image_health=manifest.image_health,
        graph=graph,
    )
    return registry.publish(draft, activate=activate)
