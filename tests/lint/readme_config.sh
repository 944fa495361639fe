#!/bin/sh
# README's table of configuration keys names each key that there is, with its default, and no other.
set -eu
python3 tests/lint/readme_config.py
