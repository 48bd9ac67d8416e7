"""The commands: they parse arguments and print results. Heavy libraries are imported when a command needs them."""

from __future__ import annotations

import io
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TextIO

from cdpnet.cli.screen import discard, to_standard_error
from cdpnet.errors import CdpnetError
from cdpnet.runtime.text import escape

_ABOUT = """usage: cdpnet COMMAND [options]

Few-shot semantic segmentation with CLIP prototypes.

your own images:
  segment    segment a class in images, learned from one example or a few
  learn      learn a class from examples and save it in a class file
  classes    list class files
  label      segment learned classes in all images of a folder
  web        serve a page to mark, name and segment classes
  serve      serve masks to Label Studio, as its ML backend
  labels     convert labels to another format, or compare them with the truth

models:
  models     list the models: weights, licence, time, memory, quality
  completion print a script that completes commands and options in a shell
  export     write a network as ONNX graphs, for programs without PyTorch
  weights    take the weights out of an archive that holds code

research:
  demo       evaluate the embedded networks on novel classes
  train      train a network on episodes
  evaluate   evaluate a network on episodes of novel classes
  calibrate  determine on base classes when a class counts as absent
  levels     fit on base classes the level at which masks are cut
  data       check a data set on disk, or print the episodes of a protocol
  reproduce  reproduce the tables of the paper on PASCAL-5i or COCO-20i
  table      train and evaluate a whole table: folds, shots, methods
  ablate     train and evaluate the rows of the paper's ablation
  simulate   measure what corrections give, by a simulated user
  clicks     measure how many clicks an object takes, by a simulated user
  pretrain   train the embedded dual encoder from scratch
  distil     train the text tower of the pair photo

cdpnet COMMAND --help prints the options of a command, cdpnet --version the version."""
_COMMANDS = {  # name of a command and the module that holds it
    "segment": "segmenting",
    "learn": "labelling",
    "classes": "labelling",
    "label": "labelling",
    "labels": "labels",
    "demo": "demo",
    "web": "web",
    "serve": "serving",
    "models": "models",
    "completion": "completion",
    "export": "export",
    "weights": "weights",
    "train": "research",
    "evaluate": "research",
    "ablate": "benchmarks",
    "pretrain": "pretraining",
    "distil": "pretraining",
    "calibrate": "calibration",
    "levels": "calibration",
    "simulate": "simulation",
    "clicks": "simulation",
    "data": "benchmarks",
    "table": "benchmarks",
    "reproduce": "reproduction",
}
_AFTER_CTRL_C = {
    "label": "Finished images are kept; the same command labels the others.",
    "train": "The state that was saved last is kept; the same command with --resume goes on from it.",
    **dict.fromkeys(
        ("ablate", "pretrain", "distil", "table", "reproduce"), "The same command goes on from what was saved last."
    ),
}
SIGNALLED = 128
"""This and the number of a signal is the exit code of a process that it stopped."""
INTERRUPTED = SIGNALLED + signal.SIGINT
_NOTHING_KEPT = "Files that are finished are kept; no file is incomplete."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns 0 for success, 1 where a check found something wrong, and 2 after bad input, with one sentence on standard
    error; 130 after Ctrl-C, with a sentence that says how to go on.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may hold bytes that the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            with _own_warnings_as_sentences():
                return _run(arguments)
        finally:
            sys.stdout.flush()  # here, where an error can still be handled
    except CdpnetError as error:
        return _say(error, 2)
    except BrokenPipeError:  # the reader of the output has closed it
        discard(sys.stdout)
        return 0
    except OSError as error:
        return _say(f"{error.filename or 'A file'} cannot be used ({error.strerror or error}).", 2)
    except KeyboardInterrupt:
        exec("")  # else `python -m cdpnet` ends by the signal where the interrupt came through an exec, such as torch's
        how_to_go_on = _AFTER_CTRL_C.get(arguments[0], _NOTHING_KEPT) if arguments else _NOTHING_KEPT
        return _say(f"stopped. {how_to_go_on}", INTERRUPTED)


def _run(arguments: Sequence[str]) -> int:
    """Run a command; its exit code."""
    if arguments == ["--version"]:
        from cdpnet.runtime.provenance import version

        print(escape(f"cdpnet {version()}"))
        return 0
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_ABOUT)
        return 0 if arguments else 2
    if arguments[0] not in _COMMANDS:
        return _say(f"there is no command {arguments[0]!r}; there are {', '.join(_COMMANDS)}.", 2)
    module = import_module(f"cdpnet.cli.{_COMMANDS[arguments[0]]}")
    command: Callable[[list[str]], int | None] = getattr(module, arguments[0])
    return command(list(arguments[1:])) or 0


def _say(sentence: object, code: int = 0) -> int:
    """Print a sentence on standard error. Returns the exit code."""
    to_standard_error(sentence)
    return code


@contextmanager
def _own_warnings_as_sentences() -> Iterator[None]:
    """Show the warnings of this package once, without the line of code that raised them."""
    with warnings.catch_warnings():
        show, package = warnings.showwarning, Path(__file__).parents[1]
        said = set()

        def sentence(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category is UserWarning and package in Path(filename).parents:
                if str(message) not in said:
                    said.add(str(message))
                    _say(message)
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = sentence
        yield
