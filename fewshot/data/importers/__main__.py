"""`python -m fewshot import` under its first name."""

import sys

from fewshot.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["import", *sys.argv[1:]]))
