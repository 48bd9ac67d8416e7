"""Objects of a class: connected parts, the smallest area, holes."""

from __future__ import annotations

import numpy as np
import pytest

from cdpnet.labels.instances import InstanceRules, split_instances
from cdpnet.labels.rasterise import Patch
from cdpnet.labels.regions import ImageLabels, Region, region_from_mask

MASK = np.zeros((12, 20), bool)
MASK[1:6, 1:6] = True  # 25 pixels, two of them a hole
MASK[3, 3:5] = False
MASK[6, 6] = True  # touches at the corner
MASK[9, 9:12] = True  # three pixels
MASK[11, 19] = True  # one


@pytest.mark.parametrize(
    ("rules", "areas"),
    [
        (InstanceRules(), [24, 3, 1]),
        (InstanceRules(min_area=3), [24, 3]),
        (InstanceRules(min_area=4), [24]),
        (InstanceRules(min_area=25), []),
        (InstanceRules(min_area=25, fill_holes=True), [26]),
        (InstanceRules(fill_holes=True), [26, 3, 1]),
    ],
)
def test_connected_parts_are_objects(rules: InstanceRules, areas: list[int]) -> None:
    labels = ImageLabels("a.png", 12, 20, (region_from_mask(MASK, "crack", 0.5),))
    found = split_instances(labels, rules)
    assert [found.area(region) for region in found.regions] == areas
    assert {(region.label, region.score) for region in found.regions} <= {("crack", 0.5)}
    if rules == InstanceRules():
        assert np.array_equal(found.class_mask("crack"), MASK)


def test_specks_beside_an_object_are_no_objects_unless_that_is_said() -> None:
    mask = np.zeros((40, 40), bool)
    mask[:25] = True  # 1,000 pixels
    mask[30, 5:7] = True  # two: a 500th
    mask[35, 20] = True
    labels = ImageLabels("a.png", 40, 40, (region_from_mask(mask, "crack"),))
    for rules, areas in ((InstanceRules(), [1000, 2]), (InstanceRules(min_area=1), [1000, 2, 1])):
        found = split_instances(labels, rules)
        assert [found.area(region) for region in found.regions] == areas


def test_outlines_are_made_of_objects_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of noise has a hundred thousand specks."""
    made, original = list[int](), Patch.region

    def counted(patch: Patch, size: tuple[int, int], label: str, score: float = 1.0) -> Region:
        made.append(int(patch.mask.sum()))
        return original(patch, size, label, score)

    labels = ImageLabels("a.png", 12, 20, (region_from_mask(MASK, "crack", 0.5),))
    monkeypatch.setattr(Patch, "region", counted)
    assert len(split_instances(labels, InstanceRules(min_area=4)).regions) == 1
    assert made == [24]


def test_parts_of_two_classes_stay_apart() -> None:
    other = np.roll(MASK, 6, axis=1)
    labels = ImageLabels("a.png", 12, 20, (region_from_mask(MASK, "crack"), region_from_mask(other, "dent")))
    found = split_instances(labels, InstanceRules())
    assert [region.label for region in found.regions].count("crack") == 3
    assert np.array_equal(found.class_mask("dent"), other)
