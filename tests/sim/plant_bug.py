#!/usr/bin/env python3
"""Writes a copy of a source with a bug in it: plant_bug.py ROOT BUG.txt COPY. The bug's file names the source and says which
passage is replaced by which. Fails unless the passage is there exactly once, so that a bug cannot quietly stop being planted."""

import pathlib
import sys

root, bug, copy = map(pathlib.Path, sys.argv[1:])
source, rest = bug.read_text(encoding="utf-8").split("\n==== instead of\n")
old, new = rest.split("\n==== there stands\n")
text = (root / source).read_text(encoding="utf-8")
new = new.removesuffix("\n")
if text.count(old) != 1:
    sys.exit(f"{source}: the passage to replace is there {text.count(old)} times:\n{old}")
copy.write_text(text.replace(old, new), encoding="utf-8")
