"""Find a class in an image by the graphs of `cdpnet export`, in a program that needs neither cdpnet nor PyTorch.

cdpnet export --out graphs --names fox
python examples/without_torch.py graphs image.png mask.png --support example.png:its_mask.png --name fox
python examples/without_torch.py graphs image.png mask.png --class fox.safetensors

Needs numpy, pillow, onnxruntime and safetensors.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps
from safetensors import safe_open
from safetensors.numpy import load_file

parser = argparse.ArgumentParser(description="Find a class in an image without PyTorch.")
parser.add_argument("graphs", type=Path, help="folder that `cdpnet export` wrote")
parser.add_argument("image", type=Path)
parser.add_argument("mask", type=Path, help="the mask to write, as large as the image")
parser.add_argument("--support", default="", metavar="IMAGE:MASK", help="learn the class from this example,")
parser.add_argument("--name", default="", help="which is called so (one of `cdpnet export --names`),")
parser.add_argument("--class", dest="learned", type=Path, help="or take what `cdpnet learn` has learned")
chosen = parser.parse_args()
if bool(chosen.support) == bool(chosen.learned):
    parser.error("give an example with --support IMAGE:MASK, or a class file with --class")
about = json.loads((chosen.graphs / "about.json").read_text())


def reduced(image: Image.Image, how: Image.Resampling) -> np.ndarray:
    """As the network sees it: with its longer side at most about["longest_side"], and none below 32 pixels."""
    scale = min(1, about["longest_side"] / max(image.size))
    return np.array(image.resize([max(32, round(side * scale)) for side in image.size], how))


def load_image(path: Path) -> np.ndarray:
    """(3, H, W) uint8."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return reduced(image, Image.Resampling.BILINEAR).transpose(2, 0, 1)


def learn(support: str, name: str) -> dict[str, np.ndarray]:
    """What segment.onnx needs of a class, from one example; more go in along the second axis."""
    image, mask = (Path(part) for part in support.split(":"))
    marked = reduced(Image.open(mask).convert("L"), Image.Resampling.NEAREST) > 0
    inputs = {"images": load_image(image)[None, None], "masks": marked[None, None].astype(np.uint8)}
    if about["text_features"]:
        known = {"": np.zeros(about["text_features"], np.float32)}
        if name:
            known |= load_file(chosen.graphs / "names.safetensors")
        if name not in known:
            parser.error(f"{chosen.graphs} has no name {name!r}; give it to `cdpnet export --names`")
        inputs["text"] = known[name][None]
    session = onnxruntime.InferenceSession(chosen.graphs / "learn.onnx")
    outputs = dict(zip((o.name for o in session.get_outputs()), session.run(None, inputs), strict=True))
    if "text_prototype" in outputs:
        outputs["text"] = outputs.pop("text_prototype")
    return outputs


def read(path: Path) -> tuple[dict[str, np.ndarray], float]:
    """The same from a class file, which must be of the same model; and its own threshold of presence."""
    with safe_open(path, "np") as file:
        known = json.loads(file.metadata()["cdpnet_class"])
    if known["model"] != about["model"]:
        parser.error(f"{path} was learned by another model ({known['model_name']}) than {chosen.graphs} holds.")
    tensors = load_file(path)
    if not known["shots"]:
        parser.error(f"{path} has no example, and the graphs find nothing by a name alone; learn it from an example.")
    if any(key.startswith("fusion.") for key in tensors):
        parser.error(f"{path} has a fusion of its own, which the graphs do not hold; learn the class without --adapt.")
    learned = {k: v[None] for k, v in tensors.items() if k in ("background", "foreground", "text", "parts")}
    learned |= {"by_name": np.array([known["by_name"]]), "shots": np.array([known["shots"]])}
    return learned, known.get("min_presence") or 0.0


learned, min_presence = read(chosen.learned) if chosen.learned else (learn(chosen.support, chosen.name), 0.0)
session = onnxruntime.InferenceSession(chosen.graphs / "segment.onnx")
masks, scores, presence = session.run(None, {"images": load_image(chosen.image)[None], **learned})
size = ImageOps.exif_transpose(Image.open(chosen.image)).size
enlarged = np.array(Image.fromarray(scores[0, 0]).resize(size, Image.Resampling.BILINEAR))
there = masks.any() and presence[0, 0] >= min_presence  # a class that is called absent has a score, but no mask
found = (enlarged > about["threshold"]) & there
Image.fromarray(found.astype(np.uint8) * 255).save(chosen.mask)
print(f"{chosen.mask}: present with probability {presence[0, 0]:.2f}, {100 * found.mean():.1f} % of the image")
