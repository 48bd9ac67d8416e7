"""Tables: a terminal of 80 columns holds them without a broken word, and means are compared with their like."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console
from rich.table import Table

from cdpnet.configs import read_published
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.encoders.facts import model_facts
from cdpnet.evaluation.results import EvaluationResult, score
from cdpnet.experiments.ablation_rows import ROWS
from cdpnet.experiments.absence import COUNTS, AbsenceCurve, Use
from cdpnet.experiments.benchmark_table import TableResult
from cdpnet.experiments.correction import CHOICES, ROUNDS, CorrectionCurve
from cdpnet.report.benchmark import BenchmarkTable
from cdpnet.report.corrections import absence_table, correction_table, small_pools
from cdpnet.report.models import SHORT
from cdpnet.report.tables import calibration_table, score_table, text_table
from cdpnet.training.calibration import CalibrationResult
from tests.helpers import small_network

PUBLISHED = read_published("pascal")


@pytest.fixture(scope="module")
def measured() -> EvaluationResult:
    """A result of two seeds, so that it has standard deviations."""
    return score(small_network("panet"), IconEpisodes(0, 1, "test", 0), 1, (0, 1))


def of_folds(measured: EvaluationResult, *folds: int) -> list[TableResult]:
    """Results of one and of five shots on these folds, with an mIoU of 50 and the number of the fold."""
    return [
        TableResult(
            "panet",
            dataclasses.replace(
                measured,
                rules=dataclasses.replace(measured.rules, fold=fold, shots=shots),
                figures=dataclasses.replace(measured.figures, miou=50.0 + fold, miou_std=12.3, fb_iou=70.0),
            ),
        )
        for fold in folds
        for shots in (1, 5)
    ]


def words_of_narrow(table: Table) -> set[str]:
    """The words of a table as 80 columns show it."""
    console = Console(width=80)
    with console.capture() as text:
        console.print(table)
    assert max(map(len, text.get().splitlines())) <= 80
    return set(text.get().replace("│", " ").replace("┃", " ").split())


def cells(*texts: str) -> set[str]:
    return {word for text in texts for word in text.split()}


def test_no_word_is_broken_in_80_columns(measured: EvaluationResult) -> None:
    calibrated = [CalibrationResult("novel", "category", 1951, (100.0,) * 3, (58.1,) * 3)]
    expected = cells("classes names images novel category 1951 network's own presence too false masks % 100.0 58.1")
    assert expected <= words_of_narrow(calibration_table(calibrated))
    longest = max((row.description for row in ROWS), key=len)
    assert cells(longest, "names mIoU FB-IoU ±") <= words_of_narrow(score_table([(longest, measured)]))
    curves = [CorrectionCurve("cup", n, choice, (50.0 + n,) * len(ROUNDS), 9) for n in (0, 1) for choice in CHOICES]
    assert cells(*CHOICES, "+0.0 ± 0.0 lead not taught") <= words_of_narrow(correction_table(curves))
    absent = [AbsenceCurve("cup", 0, use, (50.0,) * len(COUNTS), (50.0,) * len(COUNTS)) for use in get_args(Use)]
    assert cells(*get_args(Use), "false masks IoU 50.0") <= words_of_narrow(absence_table(absent))
    models = text_table(dict.fromkeys(SHORT.headings, "left"), SHORT.rows(model_facts()))
    assert cells(*SHORT.headings, *(model.name for model in model_facts())) <= words_of_narrow(models)


def test_a_benchmark_fits_80_columns_with_published_figures(measured: EvaluationResult) -> None:
    one, five, published = BenchmarkTable(of_folds(measured, 0, 1, 2, 3), PUBLISHED).for_terminal()
    assert {"1-shot", "50.0", "53.0", "12.3", "51.5", "FB-IoU"} <= words_of_narrow(one)
    assert "5-shot" in words_of_narrow(five)
    methods = [word for row in PUBLISHED for word in f"{row.method}, {row.encoder}: {row.note}".split()]
    shown = words_of_narrow(published)
    assert {*methods, "1-shot", "61.7", "5-shot", "69.3"} <= shown  # of SSP, resnet50
    assert len(list(BenchmarkTable(of_folds(measured, 0, 2), PUBLISHED).for_terminal())) == 2


def test_published_means_stand_beside_means_of_as_many_folds(measured: EvaluationResult, tmp_path: Path) -> None:
    whole = BenchmarkTable(of_folds(measured, 0, 1, 2, 3), PUBLISHED).write(tmp_path).read_text().splitlines()
    assert whole[0] == (
        "| method | 1-shot, fold 0 | fold 1 | fold 2 | fold 3 | mean | FB-IoU "
        "| 5-shot, fold 0 | fold 1 | fold 2 | fold 3 | mean | FB-IoU |"
    )
    assert whole[2].startswith("| `panet` | 50.0 ± 12.3 | 51.0 ± 12.3 | 52.0 ± 12.3 | 53.0 ± 12.3 | 51.5 | 70.0 |")
    assert whole[3].startswith("| SSP, resnet50 (published: its own protocol, trained, no text) |  |  |  |  | 61.7 |")
    assert "Published figures" not in whole[-1]

    part = BenchmarkTable(of_folds(measured, 0, 2), PUBLISHED).write(tmp_path).read_text()
    assert "| `panet` | 50.0 ± 12.3 | 52.0 ± 12.3 | 51.0 | 70.0 |" in part
    assert "(published" not in part
    assert part.endswith(" Published figures are means of 4 folds, and not shown beside those of folds 0 and 2.\n")

    one = BenchmarkTable(of_folds(measured, 3), PUBLISHED).write(tmp_path).read_text()
    assert one.startswith("| method | 1-shot, fold 3 | FB-IoU | 5-shot, fold 3 | FB-IoU |")
    assert one.endswith("not shown beside those of fold 3.\n")


def test_classes_with_too_few_images_to_correct_are_named() -> None:
    curves = [
        CorrectionCurve(name, 0, "random", (50.0,) * len(ROUNDS), pool) for name, pool in (("cup", 9), ("cat", 10))
    ]
    assert small_pools(curves) == (
        "fewer than 10 images to correct: cup (9); their later figures are with all of these corrected"
    )
    assert small_pools(curves[1:]) is None


def test_the_seeds_of_the_episodes_are_said(measured: EvaluationResult) -> None:
    assert measured.drawn_episodes == "1 episode of seeds 0, 1"
    assert dataclasses.replace(measured, episodes=1000, seeds=(3,)).drawn_episodes == "1,000 episodes of seed 3"


def test_a_single_start_has_no_standard_error() -> None:
    table = correction_table([CorrectionCurve("cup", 0, choice, (50.0,) * len(ROUNDS), 9) for choice in CHOICES])
    assert "nan" not in words_of_narrow(table)


def test_a_mean_waits_for_all_folds_of_its_method(measured: EvaluationResult, tmp_path: Path) -> None:
    results = of_folds(measured, 0, 1, 2, 3)
    other = [dataclasses.replace(entry, method="ssp") for entry in results[:2]]  # fold 0 alone
    table = BenchmarkTable([*results, *other], PUBLISHED).write(tmp_path).read_text()
    assert "| `ssp` | 50.0 ± 12.3 |  |  |  |  |  | 50.0 ± 12.3 |" in table
    assert "(published" in table
