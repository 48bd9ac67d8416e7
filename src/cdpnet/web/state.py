"""The state of a project as JSON, as the page shows it."""

from __future__ import annotations

from typing import TypeAlias

from cdpnet.labels.formats import FORMATS
from cdpnet.labels.palette import colour_of
from cdpnet.projects.document import Document, ProjectClass, ProjectImage
from cdpnet.projects.history import Step
from cdpnet.projects.project import Project
from cdpnet.projects.segmenting import Gain, Job
from cdpnet.runtime.provenance import version
from cdpnet.values import JSON
from cdpnet.web.limits import Limits
from cdpnet.web.workspace import Workspace

_ENOUGH = 20  # results in a row that were accepted as they were
_ADVICE = f"The last {_ENOUGH} results were accepted unchanged; the rest may be good enough."
Fields: TypeAlias = "dict[str, JSON]"


def describe(workspace: Workspace, model: str, limits: Limits) -> Fields:
    """The whole state. model: a sentence about the network."""
    project, work = workspace.project, workspace.work
    with project.lock:
        document = project.document
        marked = {example.image for example in document.examples.values()}
        return {
            "version": version(),
            "model": model,
            "project": project.folder.resolve().name if project.kept else None,
            "revision": document.revision,
            "limits": limits.for_browser(),  # type: ignore[dict-item]
            "formats": [{"name": name, "title": one.title} for name, one in FORMATS.items()],
            "settings": _settings(document, work.encoded.segmenter.threshold),
            "classes": [_class(document, one) for one in document.classes.values()],
            "images": [_image(image, example=image.id in marked) for image in document.images.values()],
            "examples": [
                {
                    "id": e.id,
                    "image": e.image,
                    "class": e.class_id,
                    "enabled": e.enabled,
                    "absent": e.absent,
                    "disagreement": work.agreement.of(e),
                }
                for e in document.examples.values()
            ],
            "job": _job(work.job()),
            "order": list(order(document)),
            "progress": _progress(document),
            "gain": _gain(project, work.gain),
            "undo": _sentence(project.to_undo),
            "redo": _sentence(project.to_redo),
            "nothing": {"undo": project.nothing_to_undo, "redo": project.nothing_to_redo},
        }


def state_of(image: ProjectImage) -> str:
    """The state of an image in a word."""
    if image.reason:
        return "failed"
    if image.review:
        return image.review
    if image.edited and image.is_reviewed:
        return "corrected"
    if not image.has_result:
        return "new"
    return "found" if any(found.share for found in image.findings) else "absent"


def order(document: Document) -> list[str]:
    """The ids of the images with a result that nobody has looked at, the most uncertain first."""
    open_images = [image for image in document.images.values() if state_of(image) in ("found", "absent")]
    return [image.id for image in sorted(open_images, key=lambda image: -image.uncertainty)]


def _settings(document: Document, own: float) -> Fields:
    chosen = document.settings.threshold
    return {
        "threshold": round(own if chosen is None else chosen, 4),
        "own_threshold": round(own, 4),
        "presence": document.settings.presence,
    }


def _class(document: Document, one: ProjectClass) -> Fields:
    found = [f for image in document.images.values() for f in image.findings if f.class_id == one.id and f.share]
    return {
        "id": one.id,
        "name": one.name,
        "number": one.number,
        "colour": "#{:02x}{:02x}{:02x}".format(*colour_of(one.number)),
        "examples": sum(e.class_id == one.id and e.enabled and not e.absent for e in document.examples.values()),
        "found": len(found),
        "reason": one.reason,
    }


def _image(image: ProjectImage, *, example: bool) -> Fields:
    return {
        "id": image.id,
        "name": image.file,
        "width": image.width,
        "height": image.height,
        "state": state_of(image),
        "edited": image.edited,
        "reason": image.reason,
        "revision": image.revision,
        "classes": {f.class_id: {"share": f.share, "presence": f.presence} for f in image.findings},
        "uncertainty": image.uncertainty,
        "example": example,
    }


def _progress(document: Document) -> Fields:
    states = [state_of(image) for image in document.images.values()]
    counts = {word: states.count(word) for word in ("accepted", "corrected", "rejected")}
    unchanged = _unchanged_in_a_row(document)
    return {
        **counts,
        "left": len(states) - sum(counts.values()),
        "unchanged_in_a_row": unchanged,
        "advice": _ADVICE if unchanged >= _ENOUGH else "",
    }


def _unchanged_in_a_row(document: Document) -> int:
    """How many results were accepted as they were since the last one that was not."""
    count = 0
    for image in sorted(document.images.values(), key=lambda image: -image.reviewed):
        if not image.reviewed:
            continue
        if image.edited or image.review != "accepted":
            break
        count += 1
    return count


def _job(job: Job | None) -> Fields | None:
    return None if job is None else {"running": True, "done": job.done, "total": job.total, "what": job.what}


def _gain(project: Project, gain: Gain | None) -> Fields | None:
    if gain is None or not gain.of or gain.class_id not in project.document.classes:
        return None
    mean = round(gain.total / gain.of, 4)
    return {"class": gain.class_id, "changed": gain.changed, "of": gain.of, "mean_change": mean}


def _sentence(step: Step | None) -> str:
    return "" if step is None else step.sentence
