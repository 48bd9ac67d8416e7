"""Draw what each part of the method computes, on episodes of rendered icons with the embedded network; offline.

python examples/method_parts.py OUT_FOLDER
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.network.build import load_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.prototypes import masked_average_pooling
from cdpnet.report.images import episode_images, grid

EPISODES, SHOWN = 24, (4, 10, 16)  # the episodes with these ranks by IoU, the best first
LOW, HIGH = torch.tensor([24.0, 30.0, 46.0]), torch.tensor([255.0, 176.0, 60.0])
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/method-parts")


def heat(values: Tensor, low: float, high: float) -> Image.Image:
    """A map (h, w) in colours between dark for ``low`` and light for ``high``, one square for each location."""
    share = ((values - low) / (high - low)).clamp(0, 1)[..., None]
    pixels = (LOW + share * (HIGH - LOW)).to(torch.uint8).numpy()
    return Image.fromarray(pixels).resize((160, 160), Image.Resampling.NEAREST)


def likeness(features: Tensor, prototype: Tensor) -> Image.Image:
    """The cosine of each location of features (C, h, w) with a prototype (C,), its lowest value dark."""
    cosines = F.cosine_similarity(features, prototype[:, None, None], dim=0)
    return heat(cosines, float(cosines.min()), float(cosines.max()))


def probability(logits: Tensor | None) -> Image.Image:
    """The probability of the class by the logits (2, h, w) of a match, from 0 to 1."""
    assert logits is not None
    return heat(logits.softmax(dim=0)[1], 0, 1)


def by_iou(network: PrototypeNetwork, episodes: IconEpisodes) -> Tensor:
    """The numbers of the first episodes, that with the highest IoU first."""
    drawn = episodes.draw(torch.arange(EPISODES))
    found, truth = network(drawn.batch).masks == 1, drawn.query_masks == 1
    iou = (found & truth).sum(dim=(1, 2)) / (found | truth).sum(dim=(1, 2))
    return iou.argsort(descending=True)


@torch.inference_mode()
def main() -> None:
    """Draw a picture for each of the parts 1 to 3."""
    network = load_network("tiny", "cdpn")
    episodes = IconEpisodes(fold=0, shots=1, split="test")
    drawn = episodes.draw(by_iou(network, episodes)[torch.tensor(SHOWN)])
    batch = drawn.batch
    found = network(batch)
    supports, queries = network.encode_shots(batch.support_images), network.image.features(batch.query_images)
    names = network.encode_names(batch.class_names)
    fused_supports, fused = network.fuse(supports, names), network.fuse(queries, names)
    on_object = batch.support_masks == 1
    v = masked_average_pooling(supports, on_object).mean(dim=1)
    m = masked_average_pooling(fused_supports, on_object).mean(dim=1)
    fusion, prototypes, matching = [], [], []
    for i, name in enumerate(batch.class_names):
        shown = episode_images(drawn, i, {"mask": found.masks[i]})
        pair, matches = [shown["support"], shown["query"]], found.matches
        fusion.append((name, [*pair, likeness(queries[i], names[i]), likeness(fused[i], names[i])]))
        whole = [likeness(fused[i], found.prototypes.foreground[i]), likeness(fused[i], found.prototypes.background[i])]
        prototypes.append((name, [*pair, likeness(queries[i], v[i]), likeness(fused[i], m[i]), *whole]))
        assert matches.adaptive is not None and matches.refined is not None
        steps = [probability(match[i]) for match in (matches.initial, matches.adaptive, matches.refined)]
        matching.append((name, [*pair, *steps, shown["mask"], shown["truth"]]))
    out.mkdir(parents=True, exist_ok=True)
    for file, rows, headings in (
        ("method-fusion", fusion, ("support", "query", "F with u", "F^m with u")),
        ("method-prototypes", prototypes, ("support", "query", "F with v", "F^m with m", "F^m with fg", "F^m with bg")),
        ("method-matching", matching, ("support", "query", "S0", "S1", "S2", "mask", "truth")),
    ):
        grid(rows, headings).save(out / f"{file}.png")
        print(out / f"{file}.png")


main()
