"""Slow, obvious NumPy versions of the detector's maths: one picture (H,W) or (H,W,C) at a time."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def mosaic(picture: Array, scale: int) -> Array:
    """(H,W): every tile, counted from the top left, becomes the mean of the pixels it has."""
    out = np.empty_like(picture)
    for top in range(0, picture.shape[0], scale):
        for left in range(0, picture.shape[1], scale):
            tile = picture[top : top + scale, left : left + scale]
            out[top : top + scale, left : left + scale] = tile.mean()
    return out


def gradient_magnitude(picture: Array) -> Array:
    """(H,W): Prewitt / 3 by its definition, borders replicated."""
    padded = np.pad(picture, 1, mode="edge")
    prewitt = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]) / 3
    out = np.empty_like(picture)
    for y, x in np.ndindex(*picture.shape):
        window = padded[y : y + 3, x : x + 3]
        out[y, x] = np.hypot((window * prewitt).sum(), (window * prewitt.T).sum())
    return out


def gms_distance(a: Array, b: Array) -> Array:
    """(H,W) twice → (H,W): 1 - GMS with c = 0.0026."""
    ga, gb = gradient_magnitude(a), gradient_magnitude(b)
    return 1 - (2 * ga * gb + 0.0026) / (ga**2 + gb**2 + 0.0026)


def ssim_distance(a: Array, b: Array) -> Array:
    """(H,W) twice → (H,W): (1 - SSIM) / 2 with an 11 px Gaussian window of 1.5 px."""
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    pa, pb = np.pad(a, 5, mode="edge"), np.pad(b, 5, mode="edge")
    out = np.empty_like(a)
    for y, x in np.ndindex(*a.shape):
        wa, wb = pa[y : y + 11, x : x + 11], pb[y : y + 11, x : x + 11]
        ma, mb = (wa * window).sum(), (wb * window).sum()
        va, vb = (wa**2 * window).sum() - ma**2, (wb**2 * window).sum() - mb**2
        cov = (wa * wb * window).sum() - ma * mb
        ssim = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
        out[y, x] = np.clip((1 - ssim) / 2, 0, 1)
    return out


def mean_filter(picture: Array, side: int) -> Array:
    """(H,W): mean over the `side` x `side` window around each pixel, of the pixels that exist."""
    out, half = np.empty_like(picture), side // 2
    for y, x in np.ndindex(*picture.shape):
        out[y, x] = picture[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1].mean()
    return out


def msgms_distance(a: Array, b: Array, scales: int) -> float:
    """(H,W) twice: mean of 1 - GMS over the pixels of each scale and then over the scales."""
    total = 0.0
    for _ in range(scales):
        total += gms_distance(a, b).mean()
        a, b = (c.reshape(c.shape[0] // 2, 2, c.shape[1] // 2, 2).mean(axis=(1, 3)) for c in (a, b))
    return total / scales


def relative_loss(predicted: Array, errors: Array) -> float:
    """(N,) twice: mean of -log sigmoid(predicted_i - predicted_j) over the pairs where error i is the larger."""
    terms = [
        np.log1p(np.exp(-(predicted[i] - predicted[j])))
        for i in range(len(errors))
        for j in range(len(errors))
        if errors[i] > errors[j]
    ]
    return float(np.mean(terms))


def pairwise_loss(predicted: Array, errors: Array) -> float:
    """(N,) twice: mean of max(0, 1 - (larger error's prediction - the other's)) over the pairs first-last, inwards."""
    costs = []
    for i in range(len(errors) // 2):
        j = len(errors) - 1 - i
        high, low = (i, j) if errors[i] > errors[j] else (j, i)
        if errors[i] != errors[j]:
            costs.append(max(0.0, 1 - (predicted[high] - predicted[low])))
    return float(np.mean(costs))


def regression_loss(predicted: Array, errors: Array) -> float:
    """(N,) twice: mean square of prediction - z-score of the error."""
    return float(np.mean((predicted - (errors - errors.mean()) / errors.std()) ** 2))


def mahalanobis(grids: Array, good: Array, *, ridge: float) -> Array:
    """(N,C,h,w) and good parts (M,C,h,w) → (N,h,w): distance per place over the root of C, channels standardised."""
    deviation = good.std(axis=(0, 2, 3), keepdims=True)
    scaled, normal = grids / deviation, good / deviation
    out = np.empty((len(grids), *grids.shape[2:]))
    for row, column in np.ndindex(grids.shape[2:]):
        here, mean = normal[:, :, row, column], normal[:, :, row, column].mean(axis=0)
        covariance = np.cov(here.T)
        covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        away = scaled[:, :, row, column] - mean
        squares = np.einsum("nc,cd,nd->n", away, np.linalg.inv(covariance), away)
        out[:, row, column] = np.sqrt(squares / grids.shape[1])
    return out


def nearest(white: Array, bank: Array, *, neighbours: int) -> Array:
    """(N,C,h,w) and (K,C) → (N,h,w): mean distance from that many vectors of the bank, over the root of C."""
    out = np.empty((len(white), *white.shape[2:]))
    for number, row, column in np.ndindex(out.shape):
        distances = np.sort(np.sqrt(((bank - white[number, :, row, column]) ** 2).mean(axis=1)))
        out[number, row, column] = distances[:neighbours].mean()
    return out


def modulus(picture: Array, halves: Array) -> Array:
    """(H,W) and wavelets (2L,K,K), even halves first → (L,H,W): root of both responses squared, border continued."""
    count, side = len(halves) // 2, halves.shape[1]
    padded = np.pad(picture, side // 2, mode="edge")
    out = np.empty((count, *picture.shape))
    for y, x in np.ndindex(*picture.shape):
        responses = (halves * padded[y : y + side, x : x + side]).sum(axis=(1, 2))
        out[:, y, x] = np.hypot(responses[:count], responses[count:])
    return out
