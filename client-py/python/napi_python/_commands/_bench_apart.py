"""The program in which `bench` measures an addon without a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from napi_python._commands import _console, bench
from napi_python._errors import AddonError


def main() -> int:
    """Measures what the file of the request asks for, and prints the result as a line of JSON."""
    request = json.loads(Path(sys.argv[1]).read_bytes())
    result: dict[str, object]
    try:
        result = {"bench": bench.measure_apart(request)}
    except (AddonError, OSError, _console.CommandError) as error:
        result = {"failed": str(error)}
    _console.write(json.dumps(result))
    return _console.FAILED if "failed" in result else _console.OK


if __name__ == "__main__":
    sys.exit(main())
