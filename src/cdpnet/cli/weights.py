"""The command weights convert."""

from __future__ import annotations

from pathlib import Path

from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import print_line
from cdpnet.errors import ConfigError, DataError
from cdpnet.io.files import TENSORS_ENDING, check_out_file, real_path
from cdpnet.runtime.text import counted

_WHAT = """usage: cdpnet weights convert IN OUT --trust

convert  write the weights in a TorchScript archive, as OpenAI published CLIP, to a safetensors file"""


def weights(arguments: list[str]) -> None:
    """Convert weights files."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(_WHAT)
    elif arguments[:1] == ["convert"]:
        _convert(arguments[1:])
    else:
        raise DataError(f"cdpnet weights takes convert, not {arguments[0] if arguments else 'nothing'!r}.")


def _convert(arguments: list[str]) -> None:
    parser = new_parser(
        "weights convert",
        "Write the weights in a TorchScript archive, as OpenAI published CLIP, to a safetensors file. Opening such an "
        "archive runs the code in it; no other command opens one.",
        "weights convert RN50.pt RN50.safetensors --trust",
    )
    parser.add_argument("archive", metavar="IN", help="the archive, *.pt")
    parser.add_argument("out", metavar="OUT", help="the file to write, *.safetensors")
    parser.add_argument("--trust", action="store_true", help="run the code in the archive; for sources that you trust")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    chosen = parser.parse_args(arguments)
    source, out = Path(chosen.archive), Path(chosen.out)
    if not chosen.trust:
        raise ConfigError(f"Opening {source} runs the code in it; pass --trust if you trust its source.")

    from cdpnet.encoders.weights import convert_archive

    check_out_file(out, (TENSORS_ENDING,), read=(real_path(source),), overwrite=chosen.overwrite)
    print_line(f"{out}: {counted(convert_archive(source, out), 'tensor')}")
