"""The learned classes of one call to a `Segmenter`, as one batch on the network's device."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cdpnet.encoders.weights import load_into
from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype
from cdpnet.network.fusion import ImageTextFusion
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.outputs import Prototypes, stack_prototypes
from cdpnet.network.presence import presence_thresholds
from cdpnet.runtime.constants import IGNORE_INDEX
from cdpnet.values import check_probability


@dataclass(frozen=True)
class ClassSubset:
    """Classes of a batch that share a fusion: their numbers, prototypes, and by_name, see `ClassBatch`.

    proposed: whether nothing but their names is known.
    """

    numbers: list[int]
    prototypes: Prototypes
    by_name: Tensor
    fusion: ImageTextFusion | None
    proposed: bool = False


@dataclass(frozen=True)
class ClassBatch:
    """n classes.

    prototypes: of n classes, on the network's device. by_name: (n,) bool on that device, whether the presence of a
    class is judged by its name. presence_thresholds: (n,) on the CPU, the probability below which a class is called
    absent. fusions: n, the fusion that was adapted to a class, or None for the network's own. proposed: n, whether
    nothing but the name of a class is known.
    """

    names: tuple[str, ...]
    prototypes: Prototypes
    by_name: Tensor
    presence_thresholds: Tensor
    fusions: Sequence[ImageTextFusion | None]
    proposed: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.names)

    def subsets(self, at_most: int) -> Iterator[ClassSubset]:
        """The classes in parts that can be matched together: ``at_most`` that use the network's fusion, or one."""
        for proposed in (False, True):
            shared = [i for i, fusion in enumerate(self.fusions) if fusion is None and self.proposed[i] == proposed]
            for start in range(0, len(shared), at_most):
                yield self._subset(shared[start : start + at_most], None)
        for i, fusion in enumerate(self.fusions):
            if fusion is not None:
                yield self._subset([i], fusion)

    def _subset(self, numbers: list[int], fusion: ImageTextFusion | None) -> ClassSubset:
        prototypes = self.prototypes.map(lambda part: part[numbers])
        return ClassSubset(numbers, prototypes, self.by_name[numbers], fusion, self.proposed[numbers[0]])


def build_class_batch(
    network: PrototypeNetwork, classes: Sequence[ClassPrototype], min_presence: float | None
) -> ClassBatch:
    """The batch of some classes for their network. DataError for no class, or more than a mask can hold.

    min_presence: threshold of all classes, 0..1; None for that of each class and the network's own, whichever is
    higher: examples that came after the images without the class may have raised the network's own.
    """
    if not 1 <= len(classes) < IGNORE_INDEX:
        raise DataError(f"{len(classes)} classes were given; a mask can hold 1 to {IGNORE_INDEX - 1}.")
    check_probability("min_presence", min_presence)
    for learned in classes:
        check_fit(network, learned)
    device = next(network.parameters()).device
    prototypes = stack_prototypes([c.to_prototypes() for c in classes]).map(lambda part: part.to(device))
    by_name = torch.tensor([c.by_name for c in classes])
    shots = torch.tensor([c.shots for c in classes])
    own = presence_thresholds(by_name, shots, network.config.decision).tolist()
    of_classes = [max(usual, c.min_presence or 0) for usual, c in zip(own, classes, strict=True)]
    thresholds = torch.tensor(of_classes if min_presence is None else [min_presence] * len(classes))
    fusions = [adapted_fusion(network, c) for c in classes]
    names, proposed = tuple(c.name for c in classes), tuple(c.shots == 0 for c in classes)
    return ClassBatch(names, prototypes, by_name.to(device), thresholds, fusions, proposed)


def check_fit(network: PrototypeNetwork, learned: ClassPrototype) -> None:
    """DataError for a class that a network of another kind has learned."""
    wanted = network.image.channels, network.config.reads_names, network.config.part_prototypes
    if (len(learned.foreground), learned.text is not None, learned.parts is not None) != wanted:
        text, parts = ("with" if has else "without" for has in wanted[1:])
        raise DataError(
            f"The class {learned.name!r} was learned by another model ({learned.model[1]}); this one has {wanted[0]} "
            f"channels and classes {text} a text prototype and {parts} parts."
        )


def adapted_fusion(network: PrototypeNetwork, learned: ClassPrototype) -> ImageTextFusion | None:
    """The fusion that was adapted to a class; None where it has none. WeightsError where its weights do not fit."""
    if learned.fusion is None:
        return None
    if network.fusion is None:
        raise DataError(f"The class {learned.name!r} has a fusion of its own, and this model has no fusion.")
    fusion = copy.deepcopy(network.fusion)
    load_into(fusion, learned.fusion, f"The fusion of the class {learned.name!r}")
    return fusion
