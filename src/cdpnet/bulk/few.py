"""Many pictures through a `Segmenter`, masks and overlays onto the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdpnet.classes import ClassPrototype
from cdpnet.errors import DataError
from cdpnet.files import atomic, refuse_a_file, refuse_to_replace
from cdpnet.labels.overlay import overlay
from cdpnet.labels.png import write_mask
from cdpnet.pictures import read_picture
from cdpnet.segmenter import Segmenter


@dataclass(frozen=True)
class Output:
    """Where the results of one picture go."""

    picture: Path
    mask: Path
    overlay: Path


def plan_outputs(pictures: Sequence[Path], out: Path, *, inputs: Sequence[Path] = (), overwrite: bool) -> list[Output]:
    """Names of all results, before anything is written.

    inputs: other files that are read, which no result may replace. DataError for a picture that cannot be read, for two
    pictures that would write to one file, and for a file that exists unless ``overwrite``.
    """
    read = {path.resolve() for path in (*pictures, *inputs)}
    refuse_a_file(out)
    taken: dict[str, Path] = {}
    outputs = []
    for picture in pictures:
        read_picture(picture)
        if picture.stem in taken:
            raise DataError(
                f"{taken[picture.stem]} and {picture} have one stem, so one mask would overwrite the other."
            )
        taken[picture.stem] = picture
        output = Output(picture, out / f"{picture.stem}_mask.png", out / f"{picture.stem}_overlay.png")
        for path in (output.mask, output.overlay):
            refuse_to_replace(path, read=read, overwrite=overwrite)
        outputs.append(output)
    return outputs


def segment_pictures(
    segmenter: Segmenter,
    learned: ClassPrototype,
    outputs: Sequence[Output],
    progress: Callable[[Output, float], None],
    *,
    threshold: float | None = None,
    least_presence: float | None = None,
) -> None:
    """Segment each picture and write its mask and overlay; ``progress`` hears the share of the picture that was marked.

    threshold, least_presence: as in `Segmenter.segment`.
    DataError where the folder cannot be written.
    """
    for output in outputs:
        picture = read_picture(output.picture)
        mask = segmenter.segment(picture, learned, threshold=threshold, least_presence=least_presence).mask
        try:
            write_mask(output.mask, mask)
            with atomic(output.overlay) as path:
                overlay(picture, mask).save(path)
        except OSError as error:
            raise DataError(f"{output.mask.parent} cannot be written to ({error.strerror or error}).") from None
        progress(output, float((mask > 0).mean()))
