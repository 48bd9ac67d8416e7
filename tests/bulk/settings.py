"""The settings of a labelling job, for tests of its journal."""

from __future__ import annotations

from cdpnet.bulk.journal import JobSettings

JOB_SETTINGS = JobSettings(
    label_format="png",
    images="/images",
    classes=(("crack", "abc"),),
    model=("123", "tiny"),
    precision="float32",
    threshold=None,
    min_presence=0.5,
    working_size=768,
    tiles_above=3072,
    refine=False,
)
