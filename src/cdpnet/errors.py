"""The errors a user can meet. Each message is one sentence: what was wrong, where, and what would be right."""

from __future__ import annotations


class CdpnetError(Exception):
    """Base of all errors that the command line prints as one sentence with exit code 2."""


class ConfigError(CdpnetError):
    """A setting that cannot be used."""


class DataError(CdpnetError):
    """An image, mask, list or folder that cannot be used."""


class WeightsError(CdpnetError):
    """Weights that are missing, broken, or of another model."""
