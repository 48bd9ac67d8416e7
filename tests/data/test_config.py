"""Settings of a data set: what contradicts itself, and that reading them imports nothing heavy."""

from __future__ import annotations

import ast
import inspect

import pytest

from cdpnet import errors
from cdpnet.data import config
from cdpnet.data.config import DataConfig
from cdpnet.data.protocols import folds
from cdpnet.errors import ConfigError


def test_icons_take_no_other_setting() -> None:
    with pytest.raises(ConfigError, match=r"icons are embedded .* leave --protocol out"):
        DataConfig(protocol="ssp")
    assert (DataConfig().n_folds, DataConfig("fss").n_folds) == (4, 1)


def test_settings_import_nothing_heavy() -> None:
    for module in (config, folds, errors):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.ImportFrom):
                assert node.module in ("__future__", "dataclasses", "typing", folds.__name__, errors.__name__)
            assert not isinstance(node, ast.Import)
