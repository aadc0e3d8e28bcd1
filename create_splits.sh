#!/bin/sh
# Split a styles.csv into training and test CSVs: sh ./create_splits.sh CSV DIR [--top 20] [--help]
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$here/.venv/bin/python
if [ ! -x "$python" ]; then
    python=python3
    if ! "$python" -c 'import pandas' 2>/dev/null; then
        echo "create_splits: python3 has no pandas: run 'make install' in $here, or 'pip install -r requirements.txt'." >&2
        exit 2
    fi
fi

# The safe path keeps files of the working directory from being taken for modules.
PYTHONSAFEPATH=1 PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m fewshot.data.splits "$@"
