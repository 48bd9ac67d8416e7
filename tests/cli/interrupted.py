"""A process whose command is interrupted while it runs code from a text, as torch does."""

import sys
from unittest import mock

from cdpnet import cli


def _run(_: object) -> int:
    exec("raise KeyboardInterrupt")
    return 0


if __name__ == "__main__":
    with mock.patch.object(cli, "_run", _run):
        sys.exit(cli.main(["train"]))
