"""Prints the versions of glibc that a file needs, by the names that it imports.

python versions.py FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

with Path(sys.argv[1]).open("rb") as file:
    for section in ELFFile(file).iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, names in section.iter_versions():
                for name in names:
                    library, _, version = name.name.partition("_")
                    if library == "GLIBC":
                        print(version)
