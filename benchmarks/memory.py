"""A process whose peak of memory is looked at, which is printed in MiB.

python -m benchmarks.memory encoder|query|photo SIZE
python -m benchmarks.memory segment ARGUMENT...     of `cdpnet segment`
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from benchmarks.photographs import picture
from benchmarks.setting import Setting
from cdpnet import cli
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network


def main() -> None:
    """Do the work that is named."""
    if sys.argv[1] == "segment":
        cli.main(sys.argv[1:])
        print(peak())
    else:
        query(sys.argv[1], int(sys.argv[2]))


@torch.inference_mode()
def query(part: str, size: int) -> None:
    """Do a part of the work of one query once."""
    if part == "photo":
        image, mask = picture(size, size * 3 // 4)
        segmenter = Segmenter(load_network("photo"), longest_side=size)
        _ = segmenter.segment(image, segmenter.learn("disc", image, mask)).mask
        print(peak())
        return
    setting = Setting.of(size, everywhere=True)
    learned = Setting.of(64).batch  # the class is learned small, so that its own peak does not count
    network = setting.network
    prototypes = network.learn(learned.support_images, learned.support_masks, learned.class_names)
    if part == "encoder":
        network.image.features(setting.batch.query_images)
    else:
        network.match(setting.batch.query_images, prototypes)
    print(peak())


def peak() -> float:
    """MiB at most of this process; the kernel's other figure begins with that of the process it was forked from."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
