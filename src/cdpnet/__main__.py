"""``python -m cdpnet`` is the command ``cdpnet``; `torchrun -m cdpnet train` starts several of them."""

import sys

from cdpnet.cli import main

sys.exit(main())
