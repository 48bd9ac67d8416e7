"""Our addition to part 2: an example is looked at twice, whole and enlarged around its object.

Objects have other sizes in other images, and features depend on the size; an enlarged object also has more locations
for prototypes of its parts. Both views count as examples. The query is encoded once, as before. All numbers are our
choice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_MOST = 4.0  # times that an example is enlarged
_AROUND = 1.3  # sides of the enlarged window, in those of the object's bounding box


def enlarge(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """The windows around the objects, at the size of the images: (M, 3, H, W), (M, H, W) -> the same shapes and types.

    A window has the proportions of the image and lies inside it. An object that fills the image, or a mask without a
    pixel of 1, gives the image itself.
    """
    h, w = masks.shape[-2:]
    top, bottom = _extent((masks == 1).any(dim=2))
    left, right = _extent((masks == 1).any(dim=1))
    share = (_AROUND * torch.maximum((bottom - top) / h, (right - left) / w)).clamp(1 / _MOST, 1.0)
    share = torch.where(bottom > top, share, torch.ones_like(share))
    x, y = _places((left + right) / w, share, w), _places((top + bottom) / h, share, h)
    grid = torch.stack((x[:, None].expand(-1, h, -1), y[:, :, None].expand(-1, -1, w)), dim=3)
    pixels = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    labels = F.grid_sample(masks[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False)
    return _to(pixels, images.dtype), _to(labels[:, 0], masks.dtype)


def _extent(shown: Tensor) -> tuple[Tensor, Tensor]:
    """The first row of the object and the one after its last, (M, n) bool -> (M,), (M,) float; n and 0 without one."""
    n = shown.shape[1]
    rows = torch.arange(n, device=shown.device)
    first, after = torch.where(shown, rows, n).amin(dim=1), torch.where(shown, rows + 1, 0).amax(dim=1)
    return first.float(), after.float()


def _places(twice_centre: Tensor, share: Tensor, n: int) -> Tensor:
    """Where n samples of a window lie, from -1 to 1 over the image: (M, n). share: of the window in the image."""
    centre = torch.minimum(torch.maximum(twice_centre - 1, share - 1), 1 - share)
    samples = (2 * torch.arange(n, device=share.device) + 1) / n - 1
    return centre[:, None] + share[:, None] * samples


def _to(values: Tensor, dtype: torch.dtype) -> Tensor:
    return values.to(dtype) if dtype.is_floating_point else values.round().to(dtype)
