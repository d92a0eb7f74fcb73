"""Shows what it is for: native npm addons from Python, and a crash that costs an exception."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from napi_python import AddonCrashed, host, load_addon, require

TESTS = Path(__file__).parent.parent
SAMPLES = Path(os.environ.get("NAPI_HOSTD_ADDONS", TESTS.parent / "addons" / "build"))
PACKAGES = TESTS / "real" / "node_modules"
PLATFORM = "linux-x64-gnu"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="220" height="48">
<rect width="220" height="48" rx="12" fill="#204a87"/>
<circle cx="30" cy="24" r="14" fill="#fce94f"/></svg>"""

BOLD, DIM, RED, GREEN, END = (
    ("\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m") if sys.stdout.isatty() else [""] * 5
)


def say(text: str = "") -> None:
    """Prints a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def title(text: str) -> None:
    """Prints a heading."""
    say(f"\n{BOLD}{text}{END}")


def show(source: str, call: Callable[[], object]) -> None:
    """Prints a line of Python, what it gives and how long it took."""
    start = time.perf_counter()
    result = call()
    taken = (time.perf_counter() - start) * 1e6
    say(f"  >>> {source}\n  {result!r}  {DIM}{taken:.0f} µs{END}")


def rust_sample() -> None:
    """Calls functions, a class and a callback of an addon written in Rust with napi-rs."""
    title("An addon in Rust (napi-rs), in a process of its own")
    with load_addon(SAMPLES / "sample_rust.node") as addon:
        say(f"  {DIM}this is process {os.getpid()}, the addon lives in {host(addon).pid}{END}")
        show("addon.add(1, 2)", lambda: addon.add(1, 2))
        show('addon.greet("Ada")', lambda: addon.greet("Ada"))
        show('addon.createPerson("Ada", 36)', lambda: addon.createPerson("Ada", 36))
        counter = addon.Counter(10)
        show("counter = addon.Counter(10); counter.increment()", lambda: counter.increment())
        show("counter.value", lambda: counter.value)
        show(
            "addon.mapAndSum([1, 2, 3], lambda x: x * 2)",
            lambda: addon.mapAndSum([1, 2, 3], lambda x: x * 2),
        )


def lightningcss() -> None:
    """Minifies CSS, with a visitor in Python."""
    title("lightningcss from npm, with a visitor in Python")
    path = PACKAGES / f"lightningcss-{PLATFORM}" / f"lightningcss.{PLATFORM}.node"
    with load_addon(path) as css:
        code = b".button { color: yellow; width: calc(1px + 2px); margin: 10px 10px }"
        show(
            "bytes(css.transform(filename='a.css', code=code, minify=True).code)",
            lambda: bytes(css.transform(filename="a.css", code=code, minify=True).code),
        )

        def twice(length: dict[str, object]) -> dict[str, object]:
            return {"unit": length["unit"], "value": length["value"] * 2}

        show(
            "… with visitor={'Length': twice}",
            lambda: bytes(
                css.transform(
                    filename="a.css", code=code, minify=True, visitor={"Length": twice}
                ).code
            ),
        )


def resvg() -> None:
    """Renders an SVG."""
    title("resvg from npm")
    path = PACKAGES / "@resvg" / f"resvg-js-{PLATFORM}" / f"resvgjs.{PLATFORM}.node"
    with load_addon(path) as addon:
        image = addon.Resvg(SVG, "{}").render()
        png = bytes(image.asPng())
        say(f"  {image.width} × {image.height} pixels, a PNG of {len(png)} bytes: {png[:8]!r}")


def sharp_package() -> None:
    """Requires a package and writes a picture to the disk."""
    title('A package by its own JavaScript: require("sharp")')

    async def draw() -> bytes:
        with require("sharp", root=TESTS / "packages") as sharp:
            image = sharp(SVG.encode()).resize(440).flatten(background="#fff")
            return bytes(await image.png().toBuffer())

    png = asyncio.run(draw())
    file = TESTS.parent / ".work" / "demo.png"
    file.write_bytes(png)
    say(f"  a picture of {len(png)} bytes: {file}")


def crash() -> None:
    """Crashes an addon on purpose and calls it again."""
    title("A crash, on purpose")
    with load_addon(SAMPLES / "crash.node") as addon:
        say(f"  >>> addon.nullPointer()      {DIM}# in process {host(addon).pid}{END}")
        start = time.perf_counter()
        try:
            addon.nullPointer()
        except AddonCrashed as error:
            raised = (time.perf_counter() - start) * 1e3
            say(f"  {RED}{type(error).__name__}: {error}{END}  {DIM}{raised:.1f} ms{END}")
        answer = addon.add(20, 22)
        ready = (time.perf_counter() - start) * 1e3
        say(f"  >>> addon.add(20, 22)        {DIM}# in process {host(addon).pid}{END}")
        say(f"  {answer}  {DIM}{ready:.1f} ms after the crash{END}")
        say(f"  {GREEN}Python never noticed.{END}")


def main() -> None:
    """Runs the demo."""
    logging.getLogger("napi_python").setLevel(logging.CRITICAL)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        say("The npm packages of this demo are for Linux on x86-64; the Rust sample runs anyway.")
        rust_sample()
        return
    rust_sample()
    lightningcss()
    resvg()
    sharp_package()
    crash()
    say()


if __name__ == "__main__":
    main()
