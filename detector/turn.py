"""How a part is turned and shifted against good parts.

In: pictures (B,3,H,W) float32 in [0, 1]. Out: a `Turn` within the spec's turn and reach. Refuses nothing.
On a thumbnail, by the vectors of detector/align.py. First every angle of a fan is tried: the mean edges of good parts
are turned to each when they are loaded, so that a picture costs one transform, and a product and a transform back an
angle. The best angles are then made finer by Gauss-Newton steps (inverse compositional, Baker and Matthews 2004, with a
gain): what they need of the edges is computed once too. The number of steps is fixed, and nothing is random.
"""

import math

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor, nn

from detector.align import WORTH, orientations
from detector.motion import Turn
from detector.spec import AlignSpec

SIDE = 128  # px of a thumbnail's longer side, at most: what is found is true to about a fifth of its pixel
LEAST = 16  # px of either side
COARSE = 2  # thumbnail pixels behind one of the fan's
STEP = math.radians(4)  # of the fan: half of it moves an edge by about a pixel of the fan
PEAKS = 3  # angles that are made finer: where a part is much like itself turned, the fan is too coarse to choose
ROUGH_STEPS, FINE_STEPS = 2, 3  # of each of them, and then of the best
NUDGES = (math.radians(1), 0.5, 0.5)  # angle, rows and columns of a thumbnail, either way, for the slopes of edges
FURTHEST = (math.radians(2), 1.5, 1.5)  # as far as a step goes
FLOOR = 1e-6


class Turner(nn.Module):
    """Holds where the edges of good parts stand, on a thumbnail; until it is fitted, every part stays as it lies."""

    edges: Tensor
    scale: Tensor
    angles: Tensor
    fan: Tensor
    duals: Tensor

    def __init__(self, spec: AlignSpec, *, height: int, width: int) -> None:
        super().__init__()
        self.spec = spec
        rows, columns = thumbnail_size(height, width)
        self.register_buffer("edges", torch.zeros(2, rows, columns).half())
        self.register_buffer("scale", torch.tensor([height / rows, width / columns]), persistent=False)
        self.register_buffer("angles", self._angles(), persistent=False)
        self.register_buffer("fan", torch.empty(0), persistent=False)
        self.register_buffer("duals", torch.empty(0), persistent=False)
        self.stretch = spec.stretch * (width / columns) / (height / rows)
        self.prepare()
        self.register_load_state_dict_post_hook(_prepare)  # type: ignore[no-untyped-call]

    def learn(self, edges: Tensor) -> None:
        """(h,w) complex64: the mean vectors of good parts' thumbnails."""
        self.edges.copy_(torch.view_as_real(edges).permute(2, 0, 1))
        self.prepare()

    def prepare(self) -> None:
        """What is computed of the edges; whoever writes them calls it."""
        self.scale, self.angles = (table.to(self.edges.device) for table in (self.scale, self.angles))
        self.fan = self._turned_fan()
        self.duals = self._dual_slopes()

    @property
    def reference(self) -> Tensor:
        """(h,w) complex64: where the edges of good parts stand."""
        return torch.complex(*self.edges.float().unbind())

    def forward(self, pictures: Tensor) -> Turn:
        """How each of (B,3,H,W) lies against where good parts do."""
        matrices = self.matrices(self.poses(thumbnails(pictures)))
        ratios = self.scale[:, None] / torch.cat((self.scale, torch.ones_like(self.scale[:1])))
        return Turn(matrices * ratios)

    def poses(self, small: Tensor) -> Tensor:
        """Thumbnails (B,3,h,w) → (B,3) float32: by how many radians, and how many of their rows and columns, each part
        lies from where it should."""
        return torch.cat([self._pose(one) for one in torch.split(small, 1)])  # alone: not a bit depends on neighbours

    def placed(self, small: Tensor, poses: Tensor) -> tuple[Tensor, Tensor]:
        """(B,3,h,w) and (B,3) → vectors of parts in place, (B,h,w) complex64, and bool: where they are known."""
        turn = Turn(self.matrices(poses))
        return orientations(turn.move(small)), turn.is_known(small)[:, 0]

    def fits(self, small: Tensor, poses: Tensor) -> Tensor:
        """(B,): how well parts fit, 1 for the mean part itself; what is not known of a part counts neither way."""
        (placed, is_known), reference = self.placed(small, poses), self.reference
        energy = reference.abs().square()
        seen = (is_known * energy).sum(dim=(1, 2)) * energy.sum()
        fits: Tensor = (is_known * (placed * reference.conj()).real).sum(dim=(1, 2)) / (seen.sqrt() + FLOOR)
        return fits

    def centred(self, poses: Tensor) -> Tensor:
        """(N,3) → (N,3), as they would be if the mean part lay where parts are moved and turned least."""
        turns = self.matrices(poses)[:, :, :2]
        middle = torch.linalg.solve(turns, poses[:, 1:]).median(dim=0).values
        angle = torch.zeros_like(poses[:, 0]) if self.spec.is_any_turn else poses[:, 0].median()
        return torch.cat(((poses[:, 0] - angle).unsqueeze(1), poses[:, 1:] - turns @ middle), dim=1)

    def matrices(self, poses: Tensor) -> Tensor:
        """(B,3) → (B,2,3), of a thumbnail whose pixels are `stretch` times as wide as they are high."""
        cos, sin = poses[:, 0].cos(), poses[:, 0].sin()
        turns = torch.stack((cos, sin * self.stretch, -sin / self.stretch, cos), dim=1).view(-1, 2, 2)
        return torch.cat((turns, poses[:, 1:, None]), dim=2)

    def _pose(self, small: Tensor) -> Tensor:
        """(1,3,h,w) → (1,3)."""
        tried = self._tried(_shrunk(orientations(small))[0])
        many = small.expand(len(tried), -1, -1, -1)
        rough = self._finer(many, tried, ROUGH_STEPS)
        found = self._finer(small, rough[self.fits(many, rough).argmax()][None], FINE_STEPS)
        is_worth_it = self.fits(small, found) - self.fits(small, torch.zeros_like(found)) > WORTH
        return found * is_worth_it

    def _turned_fan(self) -> Tensor:
        """(K,n,m) complex64: spectra of the edges at every angle of the fan, of equal energy."""
        coarse = _shrunk(self.reference[None])[0]
        turned = _turned(coarse, self.matrices(F.pad(self.angles[:, None], (0, 2))))
        turned = turned / (turned.abs().square().sum(dim=(1, 2), keepdim=True).sqrt() + FLOOR)
        room = [next_fast_len(side + reach) for side, reach in zip(coarse.shape, self._reach(COARSE), strict=True)]
        fan: Tensor = torch.fft.fft2(turned, s=room).conj()
        return fan

    def _dual_slopes(self) -> Tensor:
        """(4,h·w) complex64: products with them part vectors into those in place, and what a turn and shifts add."""
        reference, nudges = self.reference, torch.diag(torch.tensor(NUDGES, device=self.edges.device))
        ahead, behind = (_turned(reference, self.matrices(sign * nudges)) for sign in (1, -1))
        slopes = (ahead - behind) / (2 * nudges.diagonal()[:, None, None])
        basis = torch.cat((reference[None], slopes)).flatten(1)
        gram = (basis @ basis.mH).real + FLOOR * torch.eye(len(basis), device=basis.device)
        duals: Tensor = torch.linalg.inv(gram).to(basis.dtype) @ basis
        return duals

    def _angles(self) -> Tensor:
        """Of the fan, in radians; a limited one goes a step further, so that each of its angles has two neighbours."""
        turn = math.radians(self.spec.turn)
        if self.spec.is_any_turn:
            count = round(2 * math.pi / STEP)
            return torch.arange(count) * (2 * math.pi / count)
        count = max(1, math.ceil(turn / STEP))
        return torch.arange(-count - 1, count + 2) * (turn / count)

    def _tried(self, field: Tensor) -> Tensor:
        """The fan's field (h,w) → (M,3): its best poses."""
        fits, shifts = self._fan_fits(field)
        before, here, after = (fits.roll(1), fits, fits.roll(-1))
        bend = before - 2 * here + after
        is_peak = (here >= before) & (here > after)
        if not self.spec.is_any_turn:  # a limited fan's first and last angle are there for their neighbours only
            here = here.clone()
            here[[0, -1]] = -torch.inf
        beside = torch.where(is_peak & (bend < -FLOOR), (before - after) / (2 * bend), torch.zeros_like(bend))
        angles = self.angles + beside * (self.angles[1] - self.angles[0])
        _, which = torch.where(is_peak, here, here - 2).topk(min(PEAKS, len(here) - 2))
        return torch.cat((angles.unsqueeze(1), shifts), dim=1)[which]

    def _fan_fits(self, field: Tensor) -> tuple[Tensor, Tensor]:
        """How well each angle of the fan fits, (K,), and by which shift, (K,2) in pixels of the thumbnail."""
        rows, columns = self._reach(COARSE)
        correlation = torch.fft.ifft2(torch.fft.fft2(field, s=self.fan.shape[1:]) * self.fan).real
        window = correlation.roll((rows, columns), dims=(1, 2))[:, : 2 * rows + 1, : 2 * columns + 1]
        fits, places = (window / _overlap(field, rows, columns)).flatten(1).max(dim=1)
        width = 2 * columns + 1
        shifts = torch.stack((places // width - rows, places % width - columns), dim=1)
        return fits, COARSE * shifts.float()

    def _finer(self, small: Tensor, poses: Tensor, steps: int) -> Tensor:
        """Gauss-Newton: by how much each picture still looks like a turned or shifted part rather than one in place."""
        limits = poses.new_tensor(FURTHEST)
        for _ in range(steps):
            placed, is_known = self.placed(small, poses)
            shares = ((placed * is_known).flatten(1) @ self.duals.mH).real
            like = shares[:, :1]
            step = torch.where(like > FLOOR, shares[:, 1:] / like, 0).clamp(-limits, limits)
            shifted = self.matrices(poses)[:, :, :2] @ step[:, 1:, None]
            poses = self._bounded(poses + torch.cat((step[:, :1], shifted[..., 0]), dim=1))
        return poses

    def _bounded(self, poses: Tensor) -> Tensor:
        """Within turn and reach."""
        angles, most = poses[:, :1], math.radians(self.spec.turn)
        whole = torch.remainder(angles + math.pi, 2 * math.pi) - math.pi
        reach = self.spec.reach / self.scale
        angles = whole if self.spec.is_any_turn else angles.clamp(-most, most)
        return torch.cat((angles, poses[:, 1:].clamp(-reach, reach)), dim=1)

    def _reach(self, shrunk: int) -> tuple[int, int]:
        """Rows and columns of a thumbnail shrunk so often."""
        rows, columns = (round(self.spec.reach / (scale * shrunk)) for scale in self.scale.tolist())
        return rows, columns


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of what all of this is found on."""
    shrink = max(1.0, max(height, width) / SIDE)
    rows, columns = (max(LEAST, COARSE * round(side / shrink / COARSE)) for side in (height, width))
    return rows, columns


def thumbnails(pictures: Tensor) -> Tensor:
    """(B,3,H,W) → (B,3,h,w)."""
    return F.interpolate(pictures, thumbnail_size(*pictures.shape[-2:]), mode="area")


def _prepare(turner: Turner, _: object) -> None:
    turner.prepare()


def _shrunk(fields: Tensor) -> Tensor:
    """(B,h,w) complex64 → the same on every second row and column, averaged."""
    parts = torch.view_as_real(fields).permute(0, 3, 1, 2)
    return torch.complex(*F.avg_pool2d(parts, COARSE).unbind(dim=1))


def _overlap(field: Tensor, rows: int, columns: int) -> Tensor:
    """Which share of the picture each shift leaves in it."""
    down, right = (torch.arange(-reach, reach + 1, device=field.device).abs() for reach in (rows, columns))
    return torch.outer(1 - down / field.shape[0], 1 - right / field.shape[1])


def _turned(field: Tensor, matrices: Tensor) -> Tensor:
    """(h,w) complex64 and (K,2,3) → (K,h,w): the vectors of a part that lies so, each as long as it was."""
    lying = Turn(matrices).inverse()
    maps = torch.stack((field.imag, field.real)).expand(len(matrices), -1, -1, -1)  # rows before columns
    moved = lying.move(maps) * lying.is_known(maps)
    vectors = torch.einsum("kji,kjyx->kiyx", lying.matrices[:, :, :2], moved)  # as a gradient turns
    lengths = moved.norm(dim=1, keepdim=True) / (vectors.norm(dim=1, keepdim=True) + FLOOR)
    rows, columns = (vectors * lengths).unbind(dim=1)
    return torch.complex(columns, rows)
