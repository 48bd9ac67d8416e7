"""The settings of the experiments: their commands read them from the command line, before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cdpnet.config import Precision, method
from cdpnet.errors import ConfigError
from cdpnet.values import check_range, check_seeds


@dataclass(frozen=True)
class TableConfig:
    """Rows and columns of the table, and the length of its evaluations."""

    methods: tuple[str, ...] = ("panet", "ssp", "cdpn")
    """Rows of the table."""
    folds: tuple[int, ...] = ()
    """Folds to train and score; by default all of the data set."""
    shots: tuple[int, ...] = (1, 5)
    """Labelled examples in an episode of an evaluation."""
    train_shots: int = 0
    """Labelled examples in an episode of a training; 0 trains a network for each number of shots, as SSP does."""
    episodes: int = 0
    """Episodes of an evaluation and a seed; 0 takes the protocol's number."""
    seeds: tuple[int, ...] = ()
    """Seeds of the evaluations' episodes; by default the protocol's."""
    names: Literal["exact", "none"] = "exact"
    """Whether classes are named in the evaluations."""
    refine: bool = False
    """Whether edges are refined in the evaluations; the networks are the same."""

    def __post_init__(self) -> None:
        for name in self.methods:
            method(name)
        if not self.methods or not self.shots or min(self.shots) < 1 or min(self.train_shots, self.episodes) < 0:
            raise ConfigError("A table needs a method, numbers of shots of at least 1, and no negative number.")
        for name in ("methods", "folds", "shots", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} must all be different, and are {', '.join(map(str, values))}.")
        check_seeds(*self.seeds)


@dataclass(frozen=True)
class ReproductionConfig(TableConfig):
    """The tables of a reproduction: one for each protocol, with networks that the protocols share."""

    protocols: tuple[str, ...] = ("ssp", "hsnet", "pfenet")
    """Protocols of the evaluations; networks are trained by that of the settings, SSP's."""
    methods: tuple[str, ...] = ("ssp", "cdpn")
    """Rows of the tables."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            raise ConfigError("protocols must be one or more, all different.")


@dataclass(frozen=True)
class CorrectionConfig:
    """The classes, their images, and the repetitions."""

    at_least: int = 15
    """Images that must show a class; others are left out."""
    at_most: int = 24
    """Images of a class that are used, drawn at random."""
    min_pixels: int = 2048
    """Pixels that a class must cover in an image to count there."""
    starts: int = 1
    """Draws of the example, the pool and the images that are never corrected, for each class."""
    longest_side: int = 0
    """Size in pixels that larger images are scaled down to; 0 takes the model's own. Smaller ones take less time."""
    seed: int = 0
    """Seed of these draws."""

    def __post_init__(self) -> None:
        check_range(self, 3, 2**31, "at_least", "at_most")
        check_range(self, 1, 2**31, "min_pixels", "starts")
        check_range(self, 0, 2**31, "longest_side")
        check_seeds(self.seed)


@dataclass(frozen=True)
class ClicksConfig:
    """The objects. Every second image, in the order of the data set, is for fitting, the others are for measuring."""

    objects: int = 200
    """Objects that are marked, and results that are corrected, drawn at random; as many are fitted to."""
    min_pixels: int = 2048
    """Pixels of the smallest object."""
    fit: int = 0
    """Steps of fitting the models of the clicks anew, for objects and for corrections; 0 takes the package's models."""
    seed: int = 0
    """Seed of the draw."""

    def __post_init__(self) -> None:
        check_range(self, 1, 2**31, "objects", "min_pixels")
        check_range(self, 0, 2**31, "fit")
        check_seeds(self.seed)


@dataclass(frozen=True)
class PretrainConfig:
    """Pretraining of the tiny encoder; every number is our choice."""

    crops: int = 600_000
    """Images of the whole training."""
    batch: int = 256
    """Images of a step."""
    learning_rate: float = 2e-3
    """Highest learning rate of AdamW."""
    weight_decay: float = 0.05
    """Weight decay of AdamW."""
    warmup: int = 200
    """Steps of linear warm-up."""
    dense_weight: float = 0.5
    """Weight of the same loss on the mean of the dense values."""
    location_weight: float = 1.0
    """Weight of the main object in the loss of single locations against the names; the other parts count half."""
    main_at: int = 10
    """Locations of 64 at which the main object must show."""
    other_at: int = 3
    """Locations of 64 at which every other object of the caption must show."""
    category_weight: float = 0.3
    """Weight of the loss against the names of the categories."""
    empty_share: float = 0.06
    """Share of images without an object, with a caption for the background."""
    seed: int = 0
    """Seed of the images and of the weights that start random."""
    save_every: int = 200
    """Steps between states from which a stopped run can continue."""
    start: str = ""
    """Folder of an earlier run, or its exported file, with the weights to start from; by default random ones."""
    precision: Precision = "auto"
    """Precision of the image tower; bfloat16 is autocast, auto takes it on GPUs that have it."""

    def __post_init__(self) -> None:
        if min(self.batch, self.warmup, self.save_every) < 1 or self.crops < self.batch:
            raise ConfigError("batch, warmup and save_every must be at least 1, and crops at least a batch.")
        if not 1 <= self.other_at <= self.main_at <= 64:
            raise ConfigError(f"1 <= other_at <= main_at <= 64 must hold, not {self.other_at} and {self.main_at}.")
        check_seeds(self.seed)

    @property
    def steps(self) -> int:
        """Number of optimizer steps."""
        return self.crops // self.batch


@dataclass(frozen=True)
class DistillationConfig:
    """Distillation of the text tower."""

    steps: int = 18000
    """Optimizer steps."""
    batch: int = 512
    """Phrases of a step."""
    learning_rate: float = 3e-3
    """Highest learning rate of AdamW, which trains the table of tokens, the projections to and from it, and vectors."""
    matrix_learning_rate: float = 0.03
    """Highest learning rate of Muon, which trains the matrices of the transformer; 0 leaves these to AdamW."""
    weight_decay: float = 0.01
    """Weight decay of both optimizers."""
    warmup: int = 200
    """Steps of linear warm-up."""
    similarity_weight: float = 5.0
    """Weight of the squared difference of the similarities to the phrases of a batch and to ImageNet's class names."""
    name_repeats: int = 4
    """Times that a name of ImageNet-21k is drawn for each time that another phrase is."""
    precision: Precision = "float32"
    """Precision of the tower; bfloat16 is autocast, twice as fast on processors that have instructions for it."""
    seed: int = 0
    """Seed of the phrases and of the weights that start random."""
    save_every: int = 200
    """Steps between states from which a stopped run can continue."""

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.warmup, self.name_repeats, self.save_every) < 1:
            raise ConfigError("steps, batch, warmup, name_repeats and save_every must be at least 1.")
        check_seeds(self.seed)
