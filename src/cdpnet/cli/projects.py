"""`cdpnet label --project`: finish a project of the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.cli.help import dashed
from cdpnet.cli.label_options import chosen_instances, chosen_label_set
from cdpnet.cli.options import chosen_refinement, load_chosen_network, warn_of_icons_only
from cdpnet.cli.screen import labelling_bar, print_line
from cdpnet.errors import ConfigError, DataError
from cdpnet.runtime.text import counted

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.projects.project import Project
    from cdpnet.projects.segmenting import ProjectSegmenter

_OF_FOLDERS = ("folder", "classes", "name", "support", "strict", "workers", "truth")
_OF_PROJECT = ("threshold", "min_presence")
_OF_OUT = ("instances", "copy_images", "label_config", "from_name", "to_name", "overwrite")


def project_option(parser: ArgumentParser) -> None:
    """Add the option of a project, which stands in the place of folders and classes."""
    parser.add_argument(
        "--project",
        default=None,
        metavar="FOLDER",
        help="instead of FOLDER and --classes: finish a project of `cdpnet web`; --out writes its labels in --format",
    )


def check_project_or_folders(chosen: Any) -> None:
    """ConfigError where there is neither a project nor what `label` needs without one, or more than a project."""
    if not chosen.project:
        for option, value in (("FOLDER", chosen.folder), ("--out", chosen.out)):
            if not value:
                raise ConfigError(f"label needs {option}: a folder of images, classes and --out, or --project.")
        if chosen.support and not chosen.name:
            raise DataError("--support needs --name, what the class is called in the labels.")
        if not chosen.classes and not chosen.name:
            raise DataError("There is no class to label; give --classes FILE, or --support IMAGE:MARKS with --name.")
        return
    for name in (*_OF_FOLDERS, *_OF_PROJECT):
        if chosen[name]:
            option = "FOLDER" if name == "folder" else dashed(f"--{name}")
            why = "the project has its own" if name in _OF_PROJECT else "the project has its own folders"
            raise ConfigError(f"{option} does not go with --project: {why}; leave it out.")
    if chosen.engine != "plain":
        raise ConfigError("--engine does not go with --project, which is finished in one process; leave it out.")
    given = [name for name in _OF_OUT if chosen[name]]
    if not chosen.out and (given or chosen.format != "png"):
        option = dashed(f"--{given[0]}") if given else f"--format {chosen.format}"
        raise ConfigError(f"{option} needs --out with --project, whose own labels stay PNG masks; give a folder.")


def finish(chosen: Any) -> int:
    """Segment what nobody has settled in a project; returns 1 where an image cannot be used, or its labels written."""
    folder = Path(chosen.project)
    if not folder.is_dir():
        raise DataError(
            f"There is no folder {folder}; give the folder of a project, as `cdpnet web --project` makes it."
        )

    from cdpnet.inference.encoded_images import EncodedImages
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.labels.formats import check_classes
    from cdpnet.projects.folder import LABELS, held
    from cdpnet.projects.project import Project
    from cdpnet.projects.segmenting import ProjectSegmenter

    with held(folder):
        project = Project(folder)
        if not project.document.examples:
            raise DataError(f"{folder} has no example of a class yet; `cdpnet web --project {folder}` takes them.")
        if chosen.out:
            check_classes([one.name for one in project.document.classes.values()], chosen.format)
        segmenter = Segmenter(
            load_chosen_network(chosen),
            tiles_above=chosen.tiles_above,
            precision=chosen.precision,
            refine=chosen_refinement(chosen),
        )
        work = ProjectSegmenter(project, EncodedImages(segmenter))
        try:
            if not work.is_segmented:
                _segment_with_bar(work)
        finally:
            project.save()
        document = project.document
        written, unwritten = _write(chosen, project, segmenter.model[0]) if chosen.out else (folder / LABELS, {})
    warn_of_icons_only(chosen)
    for one in document.classes.values():
        if one.reason:
            print_line(f"not learned: {one.name}: {one.reason}")
    failed = [image for image in document.images.values() if image.reason]
    for image in failed:
        print_line(f"not labelled: {image.file}: {image.reason}")
    for name, reason in unwritten.items():
        print_line(f"not written: {name}: {reason}")
    usable = [image for image in document.images.values() if not image.reason]
    settled = sum(image.is_reviewed for image in usable)
    done = len(usable) - settled
    drawn = sum(image.edited and not image.is_reviewed for image in usable)
    around = f", {drawn} of them around what a person drew," if drawn else ""
    print_line(
        f"{counted(done, 'image is', 'images are')} labelled{around} and {settled} left as a person settled them; "
        f"see {written}"
    )
    return 1 if failed or unwritten else 0


def _segment_with_bar(work: ProjectSegmenter) -> None:
    with labelling_bar() as show:
        total = 0
        while not work.is_segmented and (job := work.job()) is not None:
            total = job.total
            show(job.done, total)
            work.step()
        show(total, total)


def _write(chosen: Any, project: Project, fingerprint: str) -> tuple[Path, dict[str, str]]:
    """Write the labels of a project in the chosen format; returns their folder, and images that it cannot hold."""
    from cdpnet.labels.conversion import convert
    from cdpnet.projects.folder import IMAGES
    from cdpnet.projects.labels import read_project_labels

    found, images = read_project_labels(project), project.folder / IMAGES
    target = chosen_label_set(chosen, images, found.classes, f"cdpnet {fingerprint}")
    rules = chosen_instances(chosen)
    convert(found, project.folder, target, chosen.format, rules, overwrite=chosen.overwrite)
    return target.out, found.failed
