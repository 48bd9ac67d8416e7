"""A folder of your own as a benchmark: make one from rendered scenes, check it, and draw what each protocol shows.

python examples/own_folder.py OUT_FOLDER
"""

import sys
from pathlib import Path
from typing import get_args

import torch

from cdpnet.data.check import check
from cdpnet.data.config import DataConfig, ProtocolName
from cdpnet.data.episodes import open_episodes
from cdpnet.data.icons.glyphs import nouns, sprites
from cdpnet.data.icons.scenes import SceneLayout, compose
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.labels.overlay import overlay
from cdpnet.labels.palette import write_mask
from cdpnet.report.images import as_labels, grid, to_image

CLASSES = ("guitar", "airplane", "umbrella", "cat", "anchor", "car", "tree", "fish")
EACH, WIDE, HIGH = 40, 480, 320  # images of each part, and their size in pixels


def write_part(folder: Path, seed: int) -> None:
    """Images, and masks that hold the class's line in classes.txt at every pixel."""
    ids = torch.tensor([[noun.name for noun in nouns()].index(name) for name in CLASSES])
    glyphs = torch.cat([sprites().of(int(i)) for i in ids])
    targets = torch.stack([sprites().of(int(ids[i % len(ids)]))[0] for i in range(EACH)])
    scenes = compose(seed, torch.arange(EACH), targets, glyphs, SceneLayout(size=WIDE, others=(1, 3)))
    number = torch.zeros(len(nouns()) + 1, dtype=torch.uint8)
    number[ids + 1] = torch.arange(1, len(ids) + 1, dtype=torch.uint8)
    top = (WIDE - HIGH) // 2
    for i in range(EACH):
        image = (scenes.images[i, :, top : top + HIGH] * 255).round().to(torch.uint8)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        to_image(image).save(folder / "images" / f"{i:03d}.jpg", quality=92)
        write_mask(folder / "masks" / f"{i:03d}.png", number[scenes.labels[i, top : top + HIGH]].numpy())


out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/own-folder")
for seed, part in enumerate(("train", "test")):
    write_part(out / part, seed)
(out / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")

for finding in check(DataOnDisk(DataConfig("folder", str(out))), shots=(1,)):
    print(f"{finding.what}: {finding.found}")

rows = []
for protocol in get_args(ProtocolName):
    data = DataOnDisk(DataConfig("folder", str(out), protocol, crop=288, novel_in_train="keep"))
    test, training = (open_episodes(data, fold=0, shots=1, split=split) for split in ("test", "train"))
    shown, crop = test.draw(torch.tensor([0])), training.draw(torch.tensor([0]))
    batch, scored = shown.batch, shown.query_masks[0]
    h, w = scored.shape
    images = [
        overlay(batch.support_images[0, 0], as_labels(batch.support_masks[0, 0])),
        to_image(batch.query_images[0]),
        overlay(torch.full((3, *scored.shape), 235, dtype=torch.uint8), as_labels(scored)),
        overlay(crop.batch.query_images[0], as_labels(crop.query_masks[0])),
    ]
    rows.append((f"{protocol}\nscored at {w} x {h}", images))
grid(rows, ("support", "query", "scored against", "training")).save(out / "protocols.png")
print(f"What each protocol shows is drawn in {out / 'protocols.png'}")
