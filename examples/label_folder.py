"""Learn two classes from one marked example each, label a folder with them, and look at what came out; offline.

python examples/label_folder.py OUT_FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cdpnet import Segmenter
from cdpnet.bulk.engines import label_locally
from cdpnet.bulk.job import run_job
from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.inference.class_files import save_class
from cdpnet.io.image_tensors import read_image
from cdpnet.labels.label_set import LabelSet
from cdpnet.labels.overlay import overlay
from cdpnet.network.build import load_network
from cdpnet.report.contact_sheet import write_sheet
from cdpnet.report.images import as_labels, grid, to_image

IMAGES = 48
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/label-folder")

# Scenes whose targets are classes that the network never saw with a mask; most show neither of the two looked for.
episodes = IconEpisodes(fold=0, shots=1, split="test")
drawn = episodes.draw(torch.arange(IMAGES))
(out / "images").mkdir(parents=True, exist_ok=True)
for i, image in enumerate(drawn.batch.query_images):
    to_image(image).save(out / "images" / f"{i:03d}.png")

segmenter, classes = Segmenter(load_network("tiny")), []
for i in range(2):
    support, mask = drawn.batch.support_images[i, 0], drawn.batch.support_masks[i, 0]
    classes.append(segmenter.learn(drawn.batch.class_names[i], support, mask))
    save_class(classes[i], out / f"{classes[i].name}.safetensors")

target = LabelSet(out / "images", out / "labels", tuple(learned.name for learned in classes))
labeller = Labeller(segmenter, classes, target, "coco")
result = run_job(labeller, label_locally, overwrite=True)
print(f"COCO labels of {len(result.images)} images, and the contact sheet: {write_sheet(result, labeller)}")

# The examples, and the ends of the contact sheet: what to correct first, and what can be left alone.
by_uncertainty = sorted(result.journal.records(result.images), key=lambda record: -record.uncertainty)


def draw_labels(record: JournalRecord) -> Image.Image:
    """An image with its labels."""
    mask = np.zeros(record.labels.size, np.uint8)
    for number, learned in enumerate(classes, start=1):
        mask[record.labels.class_mask(learned.name) == 1] = number
    return overlay(read_image(target.images / record.labels.image), mask)


marked = zip(drawn.batch.support_images[:2, 0], drawn.batch.support_masks[:2, 0], strict=True)
rows = [
    ("examples", [overlay(image, as_labels(mask) * i) for i, (image, mask) in enumerate(marked, start=1)]),
    (
        f"most uncertain\n{by_uncertainty[0].uncertainty:.2f} and less",
        [draw_labels(record) for record in by_uncertainty[:5]],
    ),
    (
        f"least uncertain\n{by_uncertainty[-1].uncertainty:.2f} and more",
        [draw_labels(record) for record in by_uncertainty[-5:]],
    ),
]
grid(rows, [*(f"{i}: {learned.name}" for i, learned in enumerate(classes, start=1)), "", "", ""]).save(
    out / "labels.png"
)
print(f"Examples and answers are drawn in {out / 'labels.png'}")
