"""A COCO file of 100,000 annotations is read in 10 seconds of the processor and 1 GB."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.labels.mask_files import picture

N_IMAGES, N_ANNOTATIONS, POINTS = 20_000, 100_000, 30
MOST_SECONDS, MOST_MEGABYTES = 10, 1000
READ = """
import sys, time
from pathlib import Path
from cdpnet.labels.examples import read_examples
start = time.process_time()
read_examples(Path(sys.argv[1]), Path(sys.argv[2]), "class 3")
seconds = time.process_time() - start
state = Path("/proc/self/status").read_text()  # getrusage begins with the memory of the process that started this one
print(seconds, int(state.partition("VmHWM:")[2].split()[0]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is told elsewhere there")
def test_a_large_file_takes_little(tmp_path: Path) -> None:
    draw = random.Random(0)
    for i in range(20):
        picture(tmp_path / "images" / f"{i:06d}.jpg", (480, 640))
    images = [{"id": i, "file_name": f"{i:06d}.jpg", "height": 480, "width": 640} for i in range(N_IMAGES)]
    annotations = [
        {
            "id": i,
            "image_id": draw.randrange(N_IMAGES),
            "category_id": 1 + i % 80,
            "segmentation": [[round(draw.uniform(0, 480), 2) for _ in range(2 * POINTS)]],
        }
        for i in range(N_ANNOTATIONS - 1)
    ]
    annotations.append({**annotations[0], "id": N_ANNOTATIONS, "image_id": 0, "category_id": 4})
    categories = [{"id": i + 1, "name": f"class {i}"} for i in range(80)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "a.json").write_text(json.dumps(content))
    command = [sys.executable, "-c", READ, str(tmp_path / "images"), str(tmp_path / "a.json")]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    seconds, megabytes = map(float, shown.stdout.split())
    assert seconds <= MOST_SECONDS
    assert megabytes <= MOST_MEGABYTES
