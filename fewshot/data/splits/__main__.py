"""The command under its module's name: python -m fewshot.data.splits."""

import sys

from fewshot.data.splits.command import main

if __name__ == "__main__":
    sys.exit(main())
