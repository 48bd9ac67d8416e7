"""Keys that say what a class file or a result was made from; one that differs from the present one is out of date."""

from __future__ import annotations

import json
from hashlib import sha256

from cdpnet.projects.document import Document, ProjectClass

_DIGITS = 32  # of a hash that are kept: 128 bits, our choice


def class_key(document: Document, one: ProjectClass, fingerprint: str) -> str:
    """What a class is learned from now: its name, its examples and the network; empty without an example."""
    examples = enabled_examples(document, one.id)
    return _hash(one.name, examples, fingerprint) if examples else ""


def enabled_examples(document: Document, class_id: str) -> tuple[str, ...]:
    """The ids of the examples that a class is learned from."""
    return tuple(e.id for e in document.examples.values() if e.class_id == class_id and e.enabled)


def classes_key(document: Document, *settings: object) -> str:
    """What results are found with: the learned classes and some settings; empty where no class is learned."""
    learned = [(one.number, one.learned) for one in document.classes.values() if one.pooled]
    return _hash(learned, settings) if learned else ""


def result_key(document: Document, *settings: object) -> str:
    """`classes_key` with these settings and those of the project: equal keys mean equal masks."""
    return classes_key(document, document.settings.threshold, document.settings.presence, *settings)


def version_key(document: Document, fingerprint: str, *settings: object) -> str:
    """`result_key` once all classes are learned by a network; empty while there is no example."""
    taught = [(one.number, class_key(document, one, fingerprint)) for one in document.classes.values()]
    taught = [(number, key) for number, key in taught if key]
    return _hash(taught, document.settings.threshold, document.settings.presence, settings) if taught else ""


def _hash(*values: object) -> str:
    return sha256(json.dumps(values).encode()).hexdigest()[:_DIGITS]
