"""A version's golden scores are the service's engine's; that it computes what was trained is checked before."""

import pytest
import torch
from torch import Tensor, nn

from detector.engine import fold_batch_norms
from training.errors import EngineDiffers
from training.export import check_engine


class OutOfOrder(nn.Module):
    """Declares its batch norm after one convolution and applies it after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,3,H,W) → (B,3,H,W)."""
        found: Tensor = self.norm(self.second(self.first(pictures)))
        return found


def test_a_network_whose_layers_are_declared_out_of_order_is_not_exported() -> None:
    torch.manual_seed(0)
    network, picture = OutOfOrder().eval(), torch.rand(1, 3, 8, 8)
    network.norm.running_mean = torch.tensor([0.5, -0.5, 0.2])
    with torch.inference_mode():
        trained = float(network(picture).square().mean())
        fold_batch_norms(network)
        served = float(network(picture).square().mean())
    with pytest.raises(EngineDiffers, match="the order in which its layers are declared"):
        check_engine(served, trained)


@pytest.mark.parametrize("score", [0.0, 0.3, 25.0])
def test_rounding_is_no_difference(score: float) -> None:
    check_engine(score + 1e-5 * max(1.0, score), score)
