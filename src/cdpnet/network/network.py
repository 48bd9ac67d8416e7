"""The prototype network: encode, fuse, make prototypes, match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.config import LevelConfig, NetworkConfig
from cdpnet.encoders.build import Encoders
from cdpnet.episode import BACKGROUND_NAME, EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.network.checkpoint import CheckpointMixin
from cdpnet.network.fusion import ImageTextFusion, TextProjection
from cdpnet.network.level import at_own_level
from cdpnet.network.matching import adaptive_match
from cdpnet.network.outputs import Prediction, Prototypes
from cdpnet.network.parts import part_prototypes
from cdpnet.network.proposals import name_mask
from cdpnet.network.prototypes import SupportPrototypes, masked_average_pooling
from cdpnet.network.spreading import spread
from cdpnet.network.views import enlarge


class PrototypeNetwork(CheckpointMixin, nn.Module):
    """Few-shot segmentation by CLIP-driven prototypes; it receives finished encoders, see `build_network`.

    The forward pass never receives a query mask, and the weights do not depend on the number of shots. Encoders stay in
    eval mode and no other part has dropout or BatchNorm, so the result is the same in training mode.
    """

    def __init__(self, config: NetworkConfig, encoders: Encoders) -> None:
        super().__init__()
        self.config, self.record = config, None
        self.image, self.text = encoders.image, encoders.text
        channels = self.image.channels
        text_dim = self.text.dim if self.text is not None else None
        start = self.image.text_channels, self.image.name_length
        self.text_projection = TextProjection(text_dim, channels, *start) if text_dim else None
        self.fusion = ImageTextFusion(channels, config.fusion_width) if text_dim and config.text_fusion else None
        self.prototypes = SupportPrototypes(
            multimodal=config.multimodal_prototype, background_name=config.background_name
        )

    def forward(self, batch: EpisodeBatch, attention_dtype: torch.dtype | None = None) -> Prediction:
        """Segment the queries of B episodes by their supports.

        attention_dtype: of the AFBM's matrix products, nearly all of its work; by default that of the features.
        """
        shots, size = batch.support_images.shape[1], batch.query_images.shape[-2:]
        images, masks = self.add_views(batch.support_images, batch.support_masks)
        support, query = self._encode(images, batch.query_images)
        text, named = self._project_names(batch.class_names)
        fused = self.fuse(support, text) if torch.is_grad_enabled() else None  # read by the loss alone
        prototypes = self._learn(support, fused, masks, text, named)
        support, fused = support[:, :shots], None if fused is None else fused[:, :shots]
        prediction = self._match(self.fuse(query, text), prototypes, size, fused, attention_dtype)
        if not (self.config.naming and batch.vocabulary):
            return prediction
        return replace(
            prediction, naming=self._match_names(torch.cat((support, query[:, None]), dim=1), batch.vocabulary)
        )

    def learn(self, support_images: Tensor, support_masks: Tensor, class_names: tuple[str, ...]) -> Prototypes:
        """Prototypes of B classes from images (B, K, 3, H, W) and masks (B, K, H, W), see `match`."""
        images, masks = self.add_views(support_images, support_masks)
        return self.learn_features(self.encode_shots(images), masks, class_names)

    def add_views(self, support_images: Tensor, support_masks: Tensor) -> tuple[Tensor, Tensor]:
        """What is learned from K supports (B, K, 3, H, W) and masks (B, K, H, W), in the same shapes.

        It is the supports and, for a network with `NetworkConfig.enlarged_views`, K enlarged views after them.
        """
        if not self.config.enlarged_views:
            return support_images, support_masks
        views = enlarge(support_images.flatten(0, 1), support_masks.flatten(0, 1))
        images, masks = (
            torch.cat((whole, view.reshape(whole.shape)), dim=1)
            for whole, view in zip((support_images, support_masks), views, strict=True)
        )
        return images, masks

    def encode_shots(self, support_images: Tensor) -> Tensor:
        """The features F_s of supports, (B, K, 3, H, W) -> (B, K, C, h, w)."""
        return self._split_shots(self.image.features(support_images.flatten(0, 1)), support_images)

    def learn_features(
        self,
        features: Tensor,
        support_masks: Tensor,
        class_names: tuple[str, ...] | Tensor,
        fusion: ImageTextFusion | None = None,
    ) -> Prototypes:
        """As `learn`, from features F (B, K, C, h, w) of images, see `add_views`, that are encoded already.

        class_names: the names, or their text features t (B, D), where zeros stand for no name. fusion: replaces the
        network's own, for a class that one was adapted to.
        """
        text, named = self._project_names(class_names)
        return self._learn(features, None, support_masks, text, named, fusion)

    def encode_names(self, class_names: tuple[str, ...]) -> Tensor:
        """The projected names u (B, C) of B classes. ConfigError for a network that reads no names."""
        text, _ = self._project_names(class_names)
        if text is None:
            raise ConfigError("This network reads no names, so it needs examples of a class.")
        return text

    def propose(self, features: Tensor, text: Tensor) -> Prototypes:
        """Prototypes of B classes of which only the names u (B, C) are known (our addition).

        features: F (B, C, h, w) of the very images in which they are looked for; each image becomes its own example,
        marked by `name_mask`. Only for a network that reads names.
        """
        fused = self.fuse(features, text)
        mask = name_mask(fused, text, self.image.text_channels or 0)
        named = text.abs().sum(dim=1) > 0
        return self._prototypes(features[:, None], fused[:, None], mask[:, None], text, named)

    def match(
        self, query_images: Tensor, prototypes: Prototypes, attention_dtype: torch.dtype | None = None
    ) -> Prediction:
        """Segment queries (Q, 3, H, W) by the prototypes of B classes: Q = B, or Q = 1 for one query and all classes.

        attention_dtype: as in `forward`.
        """
        features, size = self.image.features(query_images), query_images.shape[-2:]
        return self.match_features(features, prototypes, size, attention_dtype=attention_dtype)

    def match_features(
        self,
        features: Tensor,
        prototypes: Prototypes,
        size: Sequence[int],
        fusion: ImageTextFusion | None = None,
        attention_dtype: torch.dtype | None = None,
    ) -> Prediction:
        """As `match`, from features F (Q, C, h, w) of images that are encoded already, of ``size`` H, W in pixels.

        fusion: as in `learn_features`. attention_dtype: as in `forward`.
        """
        features = features.expand(prototypes.foreground.shape[0], *features.shape[1:])
        return self._match(self.fuse(features, prototypes.text, fusion), prototypes, size, None, attention_dtype)

    def _encode(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, 3, H, W), (B, 3, H, W) -> F_s (B, K, C, h, w), F_q (B, C, h, w); one pass where the sizes agree."""
        shots = support.flatten(0, 1)
        if shots.shape[-2:] == query.shape[-2:] and shots.dtype == query.dtype:
            grid = self.image.features(torch.cat((shots, query)))
            shots, query = grid[: len(shots)], grid[len(shots) :]
        else:
            shots, query = self.image.features(shots), self.image.features(query)
        return self._split_shots(shots, support), query

    @staticmethod
    def _split_shots(grid: Tensor, support: Tensor) -> Tensor:
        """Features (B * K, C, h, w) of supports (B, K, 3, H, W) -> (B, K, C, h, w)."""
        return grid.reshape(*support.shape[:2], *grid.shape[1:])

    def _project_names(self, class_names: tuple[str, ...] | Tensor) -> tuple[Tensor | None, Tensor]:
        """The projected names u (B, C), and which episodes have a name (B,)."""
        if self.text is None or self.text_projection is None:
            return None, torch.zeros(len(class_names), dtype=torch.bool)
        text = class_names if isinstance(class_names, Tensor) else self.text.encode(class_names)
        return self.text_projection(text), text.abs().sum(dim=1) > 0

    def fuse(self, features: Tensor, text: Tensor | None, fusion: ImageTextFusion | None = None) -> Tensor:
        """Part 1: F (B, C, h, w) or (B, K, C, h, w), u (B, C) -> F^m, of F's shape; F itself without a fusion."""
        fusion = fusion or self.fusion
        if fusion is None or text is None:
            return features
        fused: Tensor = fusion(features, text)
        return fused

    def _learn(
        self,
        visual: Tensor,
        fused: Tensor | None,
        masks: Tensor,
        text: Tensor | None,
        named: Tensor,
        fusion: ImageTextFusion | None = None,
    ) -> Prototypes:
        """Part 2, with the parts of the examples. fused: F^m_s, or None for that by ``fusion``."""
        if not self.config.part_prototypes:
            return self._prototypes(visual, fused, masks, text, named, fusion)
        fused = self.fuse(visual, text, fusion) if fused is None else fused
        prototypes = self._prototypes(visual, fused, masks, text, named)
        return prototypes._replace(parts=part_prototypes(fused, masks))

    def _prototypes(
        self,
        visual: Tensor,
        fused: Tensor | None,
        masks: Tensor,
        text: Tensor | None,
        named: Tensor,
        fusion: ImageTextFusion | None = None,
    ) -> Prototypes:
        """Part 2; or, with ``text_only``, the control: the projected class name and the word for background.

        fused: F^m_s, or None where its means suffice, which ``fusion`` finds without it.
        """
        background, _ = self._project_names((BACKGROUND_NAME,))
        if self.config.text_only and text is not None and background is not None:
            return Prototypes(background.expand_as(text), text, text)
        fusion = fusion or self.fusion
        pool_fused: Callable[[Tensor], Tensor] | None = None
        if fused is not None and fused is not visual:
            pool_fused = partial(masked_average_pooling, fused)
        elif fused is None and fusion is not None and text is not None:
            pool_fused = fusion.pooling(visual, text)
        prototypes: Prototypes = self.prototypes(visual, pool_fused, masks, text, named, background)
        return prototypes

    def _match_names(self, features: Tensor, vocabulary: tuple[str, ...]) -> Tensor:
        """Our addition to part 4: logits of F (B, K, C, h, w) for n names and the background, (B, K, n + 1, h, w)."""
        names, _ = self._project_names((*vocabulary, BACKGROUND_NAME))
        assert names is not None  # only a network that reads names has the switch
        unit, names = F.normalize(features, dim=2), F.normalize(names, dim=1)
        return self.config.matching.naming_temperature * torch.einsum("bkchw,nc->bknhw", unit, names)

    def _match(
        self,
        query: Tensor,
        prototypes: Prototypes,
        size: Sequence[int],
        support: Tensor | None,
        attention_dtype: torch.dtype | None,
    ) -> Prediction:
        """Part 3 on fused query features (B, C, h, w); its logits are resized to ``size`` H, W."""
        config = self.config
        matches = adaptive_match(
            query,
            prototypes,
            config.matching,
            adaptive=config.adaptive_matching,
            refinement=config.refinement,
            dtype=attention_dtype,
        )
        visual = query[:, : self.image.text_channels]
        if config.spread_logits:
            matches = replace(matches, output=spread(matches.output, visual, config.matching, attention_dtype))
        if config.level != LevelConfig():
            matches = replace(matches, output=at_own_level(matches.output, visual, config.level))
        logits = F.interpolate(matches.output, size=tuple(size), mode="bilinear", align_corners=True)
        return Prediction(logits, matches, prototypes, query, support)
