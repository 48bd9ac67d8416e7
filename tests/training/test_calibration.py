"""Thresholds: the statistic, the fit and the choice, by hand; the shipped networks keep what was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor

from cdpnet.config import Calibration, DecisionConfig
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.errors import ConfigError
from cdpnet.network.build import load_network
from cdpnet.network.outputs import Prototypes
from cdpnet.network.presence import (
    name_similarity,
    presence_probability,
    presence_statistic,
    presence_thresholds,
    recognises_name,
    top_margin,
    top_similarity,
)
from cdpnet.training.allowance import Allowance
from cdpnet.training.calibration import (
    BACKGROUNDS,
    Trials,
    calibrate,
    compute_probabilities,
    find_background,
    fit_calibration,
    run_trials,
)

PLAIN, ALLOWANCE = BACKGROUNDS.index(0.0), Allowance()
SMALL = SceneLayout(size=64)


def made_up(fit: list[float], there: list[bool], inside: list[int], answered: list[int], truth: list[int]) -> Trials:
    columns = [np.repeat(np.array(values)[:, None], len(BACKGROUNDS), axis=1) for values in (inside, answered)]
    return Trials(np.array(fit), np.array(there), np.zeros(len(fit), int), np.array(truth), *columns)


def test_the_best_locations_fit_the_name_or_the_prototype() -> None:
    """Naive: cosines one by one, sorted."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 3, 4, generator=generator)
    prototypes = Prototypes(*(torch.randn(2, 5, generator=generator) for _ in range(3)))
    named = torch.tensor([True, False])
    found = top_similarity(features, prototypes, named, 3)
    assert prototypes.text is not None
    for row, witness in enumerate((prototypes.text[0], prototypes.foreground[1])):
        cosines = [float(f @ witness / f.norm() / witness.norm()) for f in features[row].flatten(1).T]
        assert float(found[row]) == pytest.approx(sum(sorted(cosines)[-3:]) / 3, abs=1e-5)
    assert torch.isfinite(top_similarity(features, prototypes, named, 1000)).all()
    unread = Prototypes(prototypes.background, prototypes.foreground, prototypes.text * torch.tensor([[1.0], [0.0]]))
    assert unread.named.tolist() == [True, False]
    assert prototypes._replace(text=None).named.tolist() == [False, False]


def test_the_margin_is_the_best_difference_of_the_two_cosines() -> None:
    """Naive, location by location; added to the similarity where it is switched on."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 5, 3, 4, generator=generator)
    prototypes = Prototypes(*(torch.randn(2, 5, generator=generator) for _ in range(3)))
    margin = top_margin(features, prototypes, 3)
    for row in range(2):
        cosines = [
            [float(f @ p[row] / f.norm() / p[row].norm()) for p in (prototypes.foreground, prototypes.background)]
            for f in features[row].flatten(1).T
        ]
        assert float(margin[row]) == pytest.approx(sum(sorted(a - b for a, b in cosines)[-3:]) / 3, abs=1e-5)
    named = torch.tensor([True, False])
    plain, added = (
        presence_statistic(features, prototypes, named, DecisionConfig(locations=3, margin=m)) for m in (False, True)
    )
    torch.testing.assert_close(plain, top_similarity(features, prototypes, named, 3))
    torch.testing.assert_close(added, plain + margin)


def test_visual_and_text_channels_are_compared_apart_where_that_is_switched_on() -> None:
    """Naive, location by location: channels 0 to 2 are visual, 3 and 4 lie in the text space."""
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(2, 5, 3, 4, generator=generator)
    prototypes = Prototypes(*(torch.randn(2, 5, generator=generator) for _ in range(3)))
    named, config = torch.tensor([True, False]), DecisionConfig(locations=3, groups=True)
    assert prototypes.text is not None

    def cosines(row: int, prototype: Tensor, channels: slice) -> list[float]:
        p = prototype[row, channels]
        return [float(f @ p / f.norm() / p.norm()) for f in features[row, channels].flatten(1).T]

    def best(values: Iterable[float]) -> float:
        return sum(sorted(values)[-3:]) / 3

    wanted = []
    for row in range(2):
        on_visual, on_text = (cosines(row, prototypes.foreground, part) for part in (slice(0, 3), slice(3, 5)))
        off_visual, off_text = (cosines(row, prototypes.background, part) for part in (slice(0, 3), slice(3, 5)))
        margins = [
            best(a - b for a, b in zip(*pair, strict=True)) for pair in ((on_visual, off_visual), (on_text, off_text))
        ]
        name = best(cosines(row, prototypes.text, slice(3, 5)))
        wanted.append(best(on_visual) + margins[0] + ((margins[1] + name) / 2 if row == 0 else margins[1]))
    found = presence_statistic(features, prototypes, named, config, text_channels=3)
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)
    unread = presence_statistic(features, prototypes._replace(text=None), ~named | named, config, text_channels=3)
    assert float(unread[1]) == pytest.approx(wanted[1], abs=1e-5)
    plain = presence_statistic(features, prototypes, named, config)  # an encoder without text channels
    torch.testing.assert_close(plain, top_similarity(features, prototypes, named, 3))


def test_a_name_is_recognised_by_the_text_channels_where_these_are_compared_apart() -> None:
    """Two examples that are like their own prototypes; channels 2 and 3 lie in the text space."""
    like = torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.5, 0.75**0.5]])  # cosines with the name: 1 and 1/2
    other, text = torch.tensor([[0.0, 1.0, 0.0, 1.0]] * 2), torch.tensor([[0.0, 0.0, 1.0, 0.0]] * 2)
    features, prototypes = like[:, :, None, None].expand(-1, -1, 2, 2), Prototypes(other, like, text)
    named, always = torch.tensor([True, True]), Calibration(1.0, 0.0, 0.1)
    config = DecisionConfig(locations=3, groups=True, named=always)
    found = name_similarity(features, prototypes, named, config, text_channels=2)
    torch.testing.assert_close(found, torch.tensor([1.0, 0.5]))
    assert recognises_name(found, named, config).tolist() == [True, False]
    assert recognises_name(found, ~named, config).tolist() == [False, False]
    plain = DecisionConfig(locations=3, named=always)
    whole = name_similarity(features, prototypes, named, plain)
    torch.testing.assert_close(whole, presence_statistic(features, prototypes, named, plain))
    assert recognises_name(whole, named, plain).all()


def test_presence_by_hand() -> None:
    config = DecisionConfig(named=Calibration(2.0, 1.0, 0.7), unnamed=Calibration(4.0, 0.0, 0.2))
    named = torch.tensor([True, False])
    found = presence_probability(torch.tensor([1.5, 0.5]), named, config)
    torch.testing.assert_close(found, torch.tensor([1.0, 2.0]).sigmoid())
    examples = torch.tensor([9, 4])
    torch.testing.assert_close(presence_thresholds(named, examples, config), torch.tensor([0.7, 0.2]))
    rising = dataclasses.replace(config, threshold_rise=0.5)  # odds of 7/3 and 1/4, times 3 and 2
    torch.testing.assert_close(presence_thresholds(named, examples, rising), torch.tensor([7 / 8, 1 / 3]))
    none_or_one = presence_thresholds(named, torch.tensor([0, 1]), rising)
    torch.testing.assert_close(none_or_one, torch.tensor([0.7, 0.2]))
    whole = dataclasses.replace(config, threshold_rise=1)  # as a configuration may have it
    torch.testing.assert_close(presence_thresholds(named, examples, whole), torch.tensor([21 / 22, 1 / 2]))
    nothing_known = presence_probability(torch.tensor([9.0]), torch.tensor([True]), DecisionConfig())
    assert nothing_known.tolist() == [0.5]  # and the threshold is 0: nothing is called absent


@pytest.mark.parametrize("rise", [-1, 1.5, 1e308, float("nan")])
def test_thresholds_rise_no_faster_than_the_examples(rise: float) -> None:
    with pytest.raises(ConfigError, match="threshold_rise must be from 0 to 1, not"):
        DecisionConfig(threshold_rise=rise)


def test_figures_by_hand() -> None:
    seen = made_up([0, 0, 0, 0], [True, True, False, False], [6, 0, 0, 0], [10, 5, 3, 0], [8, 5, 0, 0])
    keep = np.array([True, True, True, True])
    assert seen.miou(keep) == pytest.approx(100 * 6 / (12 + 10))
    assert seen.false_positives(keep) == 50
    keep[1] = keep[2] = False
    assert seen.miou(keep) == pytest.approx(100 * 6 / (12 + 5))  # an emptied mask leaves the truth in the union
    assert seen.false_positives(keep) == 0


def test_the_threshold_empties_what_is_cheap_to_empty() -> None:
    rng = np.random.default_rng(0)
    there, mixed_fit = rng.random(1000) < 0.5, rng.normal(size=1000)
    right, wrong = (50 * there).tolist(), [50] * 1000
    apart = fit_calibration(
        made_up((mixed_fit + 6 * there).tolist(), there.tolist(), right, wrong, right), PLAIN, ALLOWANCE
    )
    assert apart.threshold > 0
    mixed = fit_calibration(made_up(mixed_fit.tolist(), there.tolist(), right, wrong, right), PLAIN, ALLOWANCE)
    lost = (compute_probabilities(mixed_fit, mixed) < mixed.threshold)[there].mean()
    assert lost <= 0.03  # where the statistic says nothing, hardly anything may be emptied
    order = compute_probabilities(np.array([0.0, 6.0]), apart)
    assert order[0] < 0.5 < order[1]


def test_more_false_masks_are_allowed_where_they_cost_less() -> None:
    """The threshold falls as more false masks are allowed, and as less may be lost."""
    rng = np.random.default_rng(1)
    there = rng.random(600) < 0.5
    seen = made_up(
        (rng.normal(size=600) + 1.5 * there).tolist(), there.tolist(), (50 * there).tolist(), [50] * 600,
        (50 * there).tolist(),
    )  # fmt: skip
    strict, loose, cheap = (
        fit_calibration(seen, PLAIN, allowance).threshold
        for allowance in (Allowance(5, 100), Allowance(30, 100), Allowance(5, 1))
    )
    assert strict > loose > 0
    assert cheap < strict
    present = compute_probabilities(seen.fit, fit_calibration(seen, PLAIN, Allowance(30, 100))) >= loose
    assert seen.false_positives(present) <= 30


def test_the_background_is_the_best_one_with_names_and_without() -> None:
    named, unnamed = (made_up([0.0, 0.0], [True, False], [5, 0], [10, 3], [8, 0]) for _ in range(2))
    named.inside[0, 3], named.answered[0, 3] = 8, 8
    assert find_background([named]) == 3
    assert find_background([named, unnamed]) == 3
    unnamed.inside[0, 3], unnamed.inside[0, 5] = 0, 8  # what helps one kind a little costs the other more
    named.inside[0, 5], named.inside[0, 3] = 7, 8
    assert find_background([named, unnamed]) == 5


def test_trials_do_not_call_a_shown_class_absent() -> None:
    episodes = IconEpisodes(0, 1, "test", layout=SMALL)
    seen = run_trials(load_network("tiny"), episodes, 6, DecisionConfig())
    shows = episodes.classes_in_query(torch.arange(6))
    drawn = episodes.draw(torch.arange(6))
    absent = sum(int(c) not in shows[i - 1] for i, c in enumerate(drawn.class_ids.tolist()))
    assert (~seen.is_there).sum() == absent
    assert seen.is_there.sum() == 6
    assert (seen.truth[seen.is_there] > 0).all()
    assert (seen.truth[~seen.is_there] == 0).all()
    for i, shown in enumerate(shows):
        assert int(drawn.class_ids[i]) in shown


def test_the_shipped_networks_have_thresholds_and_calibration_is_repeatable() -> None:
    for name in ("panet", "ssp", "cdpn"):
        decision = load_network("tiny", name).config.decision
        assert 0 < decision.unnamed.threshold < 1
        assert (decision.named.threshold > 0) == (name == "cdpn")
    network, episodes = load_network("tiny", "ssp"), IconEpisodes(0, 1, "test", layout=SMALL)
    first, measured = calibrate(network, episodes, 6)
    assert first == calibrate(network, episodes, 6)[0]
    assert [(row.split, row.names) for row in measured] == [("base", "none"), ("novel", "none")]
    with pytest.raises(ConfigError, match="trained for fold 0"):
        calibrate(network, IconEpisodes(1, 1, "test"), 8)


def test_thresholds_that_were_fitted_with_several_examples_hold_for_as_many() -> None:
    network, episodes = load_network("tiny", "ssp"), IconEpisodes(0, 2, "test", layout=SMALL)
    plain, measured = calibrate(network, episodes, 6)
    rising = dataclasses.replace(network.config.decision, threshold_rise=1.0)
    network.config = dataclasses.replace(network.config, decision=rising)
    found, again = calibrate(network, episodes, 6)
    assert again == measured
    assert found.threshold_rise == 1.0
    assert found.unnamed.threshold < plain.unnamed.threshold
    for_two = presence_thresholds(torch.tensor([False]), torch.tensor([2]), found)
    assert float(for_two) == pytest.approx(plain.unnamed.threshold, abs=1e-6)
