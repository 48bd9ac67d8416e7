"""Learn a class from one painted example and find it in another image; runs offline in seconds.

python examples/segment_icons.py OUT_FOLDER
"""

import sys
from pathlib import Path

import torch

from cdpnet import Segmenter
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.labels.overlay import overlay
from cdpnet.labels.png import write_mask
from cdpnet.network.build import load_network

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/example")
episode = IconEpisodes(fold=0, shots=1, split="test").draw(torch.arange(1)).batch  # a class never seen with a mask
support, mask, query = episode.support_images[0, 0], episode.support_masks[0, 0], episode.query_images[0]

segmenter = Segmenter(load_network("tiny"))
learned = segmenter.learn(episode.class_names[0], [support], [mask])
found = segmenter.segment(query, learned)

write_mask(out / "mask.png", found.mask)
overlay(query, found.mask).save(out / "overlay.png")
print(f"{learned.name}: {100 * (found.mask > 0).mean():.1f} % of the image, see {out / 'overlay.png'}")
