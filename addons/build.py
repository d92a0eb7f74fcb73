#!/usr/bin/env python3
"""Builds the sample addons, each only if one of its inputs is newer.

    python3 addons/build.py [--out FOLDER] [--no-rust] [NAME ...]

One folder is one sample. `<folder>/<name>.c` (or `.cc`) becomes `<out>/<name>.node`; the files of
`broken/` become `<out>/broken/<name>.node`. The folder is `addons/build` unless `--out` or the
variable BUILD says otherwise. CC, CXX and CFLAGS are obeyed. Where the headers are missing, npm
fetches them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
HEADERS = MODULES / "node-api-headers" / "include"
ADDON_API = MODULES / "node-addon-api"
COMMON = HERE / "common"

# Addons leave the Node-API names open for the program that loads them, and resolve them late, as
# compilers of addons usually do.
SHARED = ["-shared", "-fPIC", "-Wl,-z,lazy", "-pthread"]
WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-parameter"]

# Samples that are more than one source file, and the same source under other settings.
VARIANTS: dict[str, tuple[str, list[str]]] = {
    "reference_v10": ("reference/reference.c", ["-DADDON_VERSION=10"]),
    "error_v10": ("error/error.c", ["-DADDON_VERSION=10"]),
    "order_v10": ("order/order.c", ["-DADDON_VERSION=10"]),
    "lifecycle_v10": ("lifecycle/lifecycle.c", ["-DADDON_VERSION=10"]),
    "arguments_v10": ("arguments/arguments.c", ["-DADDON_VERSION=10"]),
    "fuzz_v10": ("fuzz/fuzz.c", ["-DADDON_VERSION=10"]),
    "loading_legacy": ("loading/loading.c", ["-DADDON_LEGACY"]),
    "version_v8": ("version/version.c", ["-DNAPI_VERSION=8"]),
    "version_v10": ("version/version.c", ["-DNAPI_VERSION=10"]),
    "version_v6": ("version/version.c", ["-DNAPI_VERSION=6"]),
    "version_experimental": (
        "version/version.c",
        ["-DNAPI_EXPERIMENTAL", "-DNAPI_VERSION=2147483647"],
    ),
    "version_default": ("version/version.c", ["-DADDON_NO_VERSION"]),
    "version_legacy": ("version/version.c", ["-DADDON_LEGACY"]),
    "finalizer_experimental": ("finalizer/finalizer.c", ["-DADDON_VERSION=2147483647"]),
    "module_legacy": ("module/module.c", ["-DADDON_LEGACY"]),
    "module_default": ("module/module.c", ["-DADDON_NO_VERSION"]),
}
# Deaths must stay deaths: no optimiser may see through them.
FLAGS: dict[str, list[str]] = {
    "writer": ["-O0", "-g", "-fno-stack-protector"],
    "crash": ["-O0", "-g", "-fno-stack-protector", "-Wno-infinite-recursion"],
    "bench": ["-O3"],
}


@dataclass
class Target:
    """One addon: its sources, and the flags that are its own."""

    name: str
    sources: list[Path]
    flags: list[str] = field(default_factory=list)

    def output(self, out: Path) -> Path:
        """Returns where the addon goes."""
        return out / f"{self.name}.node"


def targets() -> list[Target]:
    """Lists every addon that a C or C++ compiler builds."""
    found = []
    for folder in sorted(HERE.iterdir()):
        if folder.name in {"broken", "common", "build", "node_modules", "rust"}:
            continue
        sources = sorted([*folder.glob("*.c"), *folder.glob("*.cc")]) if folder.is_dir() else []
        if sources:
            found.append(Target(folder.name, sources, FLAGS.get(folder.name, [])))
    found.extend(Target(name, [HERE / shared], flags) for name, (shared, flags) in VARIANTS.items())
    found.extend(
        Target(f"broken/{source.stem}", [source], FLAGS.get(source.stem, []))
        for source in sorted([*(HERE / "broken").glob("*.c"), *(HERE / "broken").glob("*.cc")])
    )
    return found


def newest(paths: list[Path]) -> float:
    """Returns the time of the newest file."""
    return max(path.stat().st_mtime for path in paths)


def run(command: list[str]) -> None:
    """Runs a compiler; its output is shown only where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        text = f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        raise SystemExit(text)
    sys.stderr.write(done.stderr)


def compile_objects(target: Target, objects: Path) -> tuple[list[str], bool]:
    """Compiles the sources of an addon to object files; says whether C++ is among them."""
    results, cplusplus = [], False
    for source in target.sources:
        made = objects / f"{target.name.replace('/', '_')}.{source.name}.o"
        common = ["-c", "-fPIC", "-pthread", "-I", str(HEADERS), "-I", str(COMMON), *WARNINGS]
        if source.suffix == ".cc":
            cplusplus = True
            compiler = [*shlex.split(os.environ.get("CXX", "c++")), "-std=c++17"]
            common += ["-isystem", str(ADDON_API)]
        else:
            compiler = [*shlex.split(os.environ.get("CC", "cc")), "-std=gnu11"]
        optimise = ["-O2", *shlex.split(os.environ.get("CFLAGS", "")), *target.flags]
        run([*compiler, *common, *optimise, str(source), "-o", str(made)])
        results.append(str(made))
    return results, cplusplus


def build(target: Target, out: Path) -> str | None:
    """Builds one addon where it is out of date; returns its name if it was."""
    output = target.output(out)
    headers = [header for source in target.sources for header in source.parent.glob("*.h")]
    inputs = [
        *target.sources,
        *headers,
        *target.sources[0].parent.glob("needed/*.c"),
        *COMMON.glob("*.h"),
        Path(__file__),
        HERE / "package-lock.json",
    ]
    if output.exists() and output.stat().st_mtime > newest(inputs):
        return None
    require_writable(out, "choose another folder with --out")
    output.parent.mkdir(parents=True, exist_ok=True)
    objects = out / ".objects"
    objects.mkdir(exist_ok=True)
    made, cplusplus = compile_objects(target, objects)
    compiler = shlex.split(os.environ.get(*(("CXX", "c++") if cplusplus else ("CC", "cc"))))
    extra = companion(out) if target.name == "broken/missing_library" else []
    extra += needed(target, out) if target.name == "redteam" else []
    fresh = output.with_suffix(".new")
    run([*compiler, *SHARED, *made, *extra, "-o", str(fresh)])
    fresh.rename(output)  # A host that has the old file mapped keeps it.
    return target.name


def needed(target: Target, out: Path) -> list[str]:
    """Makes the library that lies beside an addon, and how it is told of that and of its start."""
    source = target.sources[0].parent / "needed" / "needed.c"
    library = out / f"lib{target.name}_needed.so"
    fresh = library.with_suffix(".new")
    run([*shlex.split(os.environ.get("CC", "cc")), *SHARED, str(source), "-o", str(fresh)])
    fresh.rename(library)
    beside = ["-L", str(out), f"-l{target.name}_needed", "-Wl,-rpath,$ORIGIN"]
    return [*beside, f"-Wl,-init={target.name}_init"]


def companion(out: Path) -> list[str]:
    """Makes the library that one broken addon needs, for the linker only: it is not kept."""
    library = out / ".objects" / "libhostd_absent.so"
    source = library.with_suffix(".c")
    source.write_text("int hostd_absent(void) { return 0; }\n")
    run(["cc", *SHARED, str(source), "-o", str(library)])
    return ["-L", str(library.parent), "-lhostd_absent"]


def build_rust(out: Path) -> str | None:
    """Builds the Rust sample with cargo, which itself knows what is out of date."""
    command = ["cargo", "build", "--profile", "addon", "-p", "sample-rust"]
    command += ["--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit("the Rust sample does not build")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact":
            continue
        if message["target"]["name"] == "sample_rust":
            (library,) = [Path(name) for name in message["filenames"] if name.endswith(".so")]
            output = out / "sample_rust.node"
            if output.exists() and output.stat().st_mtime >= library.stat().st_mtime:
                return None
            fresh = output.with_suffix(".new")
            shutil.copy2(library, fresh)
            fresh.rename(output)
            return "sample_rust"
    raise SystemExit("cargo did not say where the Rust sample is")


def require_writable(folder: Path, advice: str) -> None:
    """Ends with a message if nothing can be made in `folder`."""
    if not os.access(folder, os.W_OK):
        text = f"cannot build the sample addons: {folder} is not writable; {advice}"
        raise SystemExit(text)


def copy_texts(out: Path) -> None:
    """Copies the broken addons that are no libraries."""
    for source in (HERE / "broken").glob("*.txt"):
        output = out / "broken" / f"{source.stem}.node"
        if not output.exists() or output.stat().st_mtime < source.stat().st_mtime:
            require_writable(out, "choose another folder with --out")
            output.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, output)


def fetch_headers() -> None:
    """Lets npm fetch what package-lock.json pins, where it is not there yet."""
    if HEADERS.is_dir() and ADDON_API.is_dir():
        return
    require_writable(HERE, "copy the repository to a folder that is writable")
    subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=HERE, check=True)


def main() -> None:
    """Builds what the command line asks for, or everything."""
    parser = argparse.ArgumentParser(description="Build the sample addons.")
    default = os.environ.get("BUILD") or HERE / "build"
    parser.add_argument("--out", type=Path, default=Path(default))
    parser.add_argument("--no-rust", action="store_true", help="leave the Rust sample out")
    parser.add_argument("names", nargs="*", help="addons to build; all of them if none is named")
    options = parser.parse_args()
    fetch_headers()
    out: Path = options.out.resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot create {out}: {error.strerror}; choose another folder with --out")
    every = targets()
    unknown = set(options.names) - {target.name for target in every} - {"sample_rust"}
    if unknown:
        parser.error(f"no such addon: {', '.join(sorted(unknown))}")
    chosen = [target for target in every if not options.names or target.name in options.names]
    copy_texts(out)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        built = [name for name in pool.map(lambda target: build(target, out), chosen) if name]
    if not options.no_rust and (not options.names or "sample_rust" in options.names):
        built += filter(None, [build_rust(out)])
    print(f"{len(built)} addons built in {out}" if built else f"addons in {out} are up to date")


if __name__ == "__main__":
    main()
