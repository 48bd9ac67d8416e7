"""The commands: nothing but parsing and printing. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from cdpnet.errors import CdpnetError

_ABOUT = """usage: cdpnet COMMAND [options]

Few-shot semantic segmentation with CLIP prototypes.

commands:
  segment    mark a class in one image or a few, get its masks in others
  learn      keep a class, learned from marked images, in a small file
  classes    list such files
  label      find learned classes in all images of a folder
  web        a page on which a class is painted, named and found
  export     write a network as ONNX graphs, for programs without PyTorch
  demo       the embedded models on classes that they never saw with a mask
  train      train a network on episodes
  evaluate   score a network on episodes
  ablate     train and score the rows of the paper's ablation
  pretrain   train the embedded dual encoder from scratch
  calibrate  find when to call a class absent, on classes it was trained on
  data       check a data set on disk, or print the episodes of a protocol
  table      train and score a whole table: folds, shots, methods

cdpnet COMMAND --help tells the options of a command; cdpnet --version the version."""
_COMMANDS = {
    "segment": "labelling",
    "learn": "labelling",
    "classes": "labelling",
    "label": "labelling",
    "demo": "labelling",
    "web": "web",
    "export": "export",
    "train": "research",
    "evaluate": "research",
    "ablate": "research",
    "pretrain": "research",
    "calibrate": "research",
    "data": "benchmarks",
    "table": "benchmarks",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    0 when all went well, 1 where it found something wrong, 2 after bad input, with one sentence on standard error.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        from cdpnet.runtime.provenance import version

        print(f"cdpnet {version()}")
        return 0
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_ABOUT)
        return 0 if arguments else 2
    if arguments[0] not in _COMMANDS:
        print(f"cdpnet: there is no command {arguments[0]!r}; there are {', '.join(_COMMANDS)}.", file=sys.stderr)
        return 2
    room = import_module(f"cdpnet.cli.{_COMMANDS[arguments[0]]}")
    command: Callable[[list[str]], int | None] = getattr(room, arguments[0])
    try:
        return command(arguments[1:]) or 0
    except CdpnetError as error:
        print(f"cdpnet: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # who reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"cdpnet: {error.filename or 'A file'} cannot be used ({error.strerror or error}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
