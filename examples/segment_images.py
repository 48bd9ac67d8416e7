"""Learn a class from one example and segment a batch of images; runs offline in seconds.

python examples/segment_images.py [DEVICE]   (cpu, cuda, cuda:N, mps or auto)
"""

import sys
from pathlib import Path

import cdpnet

images = Path(__file__).parent / "images"
segmenter = cdpnet.Segmenter.from_pretrained("tiny", device=sys.argv[1] if len(sys.argv) > 1 else "auto")
caravan = segmenter.learn("caravan", images / "caravan.png", images / "caravan_mask.png")
scenes = sorted(images.glob("scene_*.png"))
for path, segmentation in zip(scenes, segmenter.segment_batch(scenes, caravan), strict=True):
    print(f"{path.name}: caravan on {100 * (segmentation.mask > 0).mean():.1f} % of the image")
