#!/bin/sh
# README's table of metrics says what the catalogue says.
set -eu
python3 tests/lint/readme_metrics.py --check
