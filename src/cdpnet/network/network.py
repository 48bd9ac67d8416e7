"""The prototype network: encode, fuse, make prototypes, match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.config import NetworkConfig
from cdpnet.encoders.build import Encoders
from cdpnet.episode import BACKGROUND_NAME, EpisodeBatch
from cdpnet.network.checkpoint import CheckpointMixin
from cdpnet.network.fusion import ImageTextFusion, TextProjection
from cdpnet.network.matching import adaptive_match
from cdpnet.network.outputs import Prediction, Prototypes
from cdpnet.network.prototypes import SupportPrototypes


class PrototypeNetwork(CheckpointMixin, nn.Module):
    """Few-shot segmentation by CLIP-driven prototypes; receives finished encoders, see `build_network`.

    Its forward pass never receives a query mask, and its weights do not depend on the number of shots.
    """

    def __init__(self, config: NetworkConfig, encoders: Encoders) -> None:
        super().__init__()
        self.config, self.record = config, None
        self.attention_dtype: torch.dtype | None = None  # of the AFBM's matrix products, if not that of the features
        self.image, self.text = encoders.image, encoders.text
        channels = self.image.channels
        text_dim = self.text.dim if self.text is not None else None
        self.text_projection = TextProjection(text_dim, channels) if text_dim else None
        self.fusion = ImageTextFusion(channels, config.fusion_width) if text_dim and config.text_fusion else None
        self.prototypes = SupportPrototypes(
            multimodal=config.multimodal_prototype, background_name=config.background_name
        )

    def forward(self, batch: EpisodeBatch) -> Prediction:
        """Segment the queries of B episodes by their supports."""
        support, query = self._encode(batch.support_images, batch.query_images)
        text, named = self._read(batch.class_names)
        fused_support, fused_query = self.fuse(support, text), self.fuse(query, text)
        prototypes = self._prototypes(support, fused_support, batch.support_masks, text, named)
        prediction = self._match(fused_query, prototypes, batch.query_images.shape[-2:], fused_support)
        if not (self.config.naming and batch.vocabulary):
            return prediction
        return replace(prediction, naming=self._name(torch.cat((support, query[:, None]), dim=1), batch.vocabulary))

    def learn(self, support_images: Tensor, support_masks: Tensor, class_names: tuple[str, ...]) -> Prototypes:
        """Prototypes of B classes from (B, K, 3, H, W) images and (B, K, H, W) masks, to be matched often."""
        return self.learn_features(self.encode_shots(support_images), support_masks, class_names)

    def encode_shots(self, support_images: Tensor) -> Tensor:
        """The features F_s of supports, (B, K, 3, H, W) -> (B, K, C, h, w)."""
        return self._shots(self.image.features(support_images.flatten(0, 1)), support_images)

    def learn_features(
        self,
        features: Tensor,
        support_masks: Tensor,
        class_names: tuple[str, ...] | Tensor,
        fusion: ImageTextFusion | None = None,
    ) -> Prototypes:
        """As `learn`, of images encoded before: features F (B, K, C, h, w).

        class_names: or what the text tower makes of them, t (B, D), where zeros are no name. fusion: takes the place
        of the network's own, for classes that it was adapted to.
        """
        text, named = self._read(class_names)
        return self._prototypes(features, self.fuse(features, text, fusion), support_masks, text, named)

    def match(self, query_images: Tensor, prototypes: Prototypes) -> Prediction:
        """Segment queries (Q, 3, H, W) by the prototypes of a class learned before, or of one class for each query.

        One query may meet several classes (Q = 1, B classes) at the price of one encoder pass.
        """
        return self.match_features(self.image.features(query_images), prototypes, query_images.shape[-2:])

    def match_features(
        self, features: Tensor, prototypes: Prototypes, size: Sequence[int], fusion: ImageTextFusion | None = None
    ) -> Prediction:
        """As `match`, of images encoded before: features F (Q, C, h, w) of images of ``size`` H, W.

        fusion: as in `learn_features`.
        """
        features = features.expand(prototypes.foreground.shape[0], *features.shape[1:])
        return self._match(self.fuse(features, prototypes.text, fusion), prototypes, size, None)

    def _encode(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, 3, H, W), (B, 3, H, W) -> F_s (B, K, C, h, w), F_q (B, C, h, w); one pass where the sizes agree."""
        shots = support.flatten(0, 1)
        if shots.shape[-2:] == query.shape[-2:] and shots.dtype == query.dtype:
            grid = self.image.features(torch.cat((shots, query)))
            shots, query = grid[: len(shots)], grid[len(shots) :]
        else:
            shots, query = self.image.features(shots), self.image.features(query)
        return self._shots(shots, support), query

    @staticmethod
    def _shots(grid: Tensor, support: Tensor) -> Tensor:
        """Features (B * K, C, h, w) of supports (B, K, 3, H, W) -> (B, K, C, h, w)."""
        return grid.reshape(*support.shape[:2], *grid.shape[1:])

    def _read(self, class_names: tuple[str, ...] | Tensor) -> tuple[Tensor | None, Tensor]:
        """The projected names u (B, C), and which episodes have a name (B,)."""
        if self.text is None or self.text_projection is None:
            return None, torch.zeros(len(class_names), dtype=torch.bool)
        text = class_names if isinstance(class_names, Tensor) else self.text.encode(class_names)
        return self.text_projection(text), text.abs().sum(dim=1) > 0

    def fuse(self, features: Tensor, text: Tensor | None, fusion: ImageTextFusion | None = None) -> Tensor:
        """Part 1, or the features as they are: F (B, C, h, w) or (B, K, C, h, w), u (B, C) -> F^m, of F's shape."""
        fusion = fusion or self.fusion
        if fusion is None or text is None:
            return features
        fused: Tensor = fusion(features, text)
        return fused

    def _prototypes(
        self, visual: Tensor, fused: Tensor, masks: Tensor, text: Tensor | None, named: Tensor
    ) -> Prototypes:
        """Part 2; or, as a control, words alone."""
        background, _ = self._read((BACKGROUND_NAME,))
        if self.config.text_only and text is not None and background is not None:
            return Prototypes(background.expand_as(text), text, text)
        prototypes: Prototypes = self.prototypes(visual, fused, masks, text, named, background)
        return prototypes

    def _name(self, features: Tensor, vocabulary: tuple[str, ...]) -> Tensor:
        """Our addition to part 4: F (B, K, C, h, w) against n names and the background, (B, K, n + 1, h, w)."""
        names, _ = self._read((*vocabulary, BACKGROUND_NAME))
        assert names is not None  # only a network that reads names has the switch
        unit, names = F.normalize(features, dim=2), F.normalize(names, dim=1)
        return self.config.matching.naming_temperature * torch.einsum("bkchw,nc->bknhw", unit, names)

    def _match(self, query: Tensor, prototypes: Prototypes, size: Sequence[int], support: Tensor | None) -> Prediction:
        """Part 3 on fused query features (B, C, h, w), and the way back to the images' size."""
        config = self.config
        matches = adaptive_match(
            query,
            prototypes,
            config.matching,
            adaptive=config.adaptive_matching,
            refinement=config.refinement,
            dtype=self.attention_dtype,
        )
        logits = F.interpolate(matches.output, size=tuple(size), mode="bilinear", align_corners=True)
        return Prediction(logits, matches, prototypes, query, support)
