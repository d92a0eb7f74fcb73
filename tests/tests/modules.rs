//! Checks how the modules of a crate depend on each other, and how their files are laid out.

#![expect(
    clippy::unwrap_used,
    reason = "a tree that can't be read fails the test"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use hostd_tests::{Kind, Token, compare, crates, product, root, tokens};

/// A path such as `super::lane::Lane`, with the number of inline modules around it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    segments: Vec<String>,
    inline: usize,
}

#[derive(Default)]
struct Module {
    /// `["turns", "reader"]`; the root of the crate has none.
    path: Vec<String>,
    items: BTreeSet<String>,
    /// What `use` declarations call something, and what that is.
    bindings: BTreeMap<String, Name>,
    globs: Vec<Name>,
    /// Imports that are no re-exports, and paths in code.
    needs: Vec<Name>,
}

struct Crate {
    modules: Vec<Module>,
    index: BTreeMap<Vec<String>, usize>,
    /// What names were resolved to, by module; `None` also while one is being resolved.
    resolved: RefCell<BTreeMap<(usize, Name), Option<usize>>>,
}

impl Crate {
    fn read(folder: &str, sources: &[(String, String)]) -> Self {
        let mut modules = Vec::new();
        for (file, text) in sources {
            let Some(inside) = file.strip_prefix(folder).and_then(|f| f.strip_prefix('/')) else {
                continue;
            };
            let mut path: Vec<String> = inside
                .trim_end_matches(".rs")
                .split('/')
                .map(str::to_owned)
                .collect();
            if path == ["main"] || path[0] == "bin" {
                continue;
            }
            if path.last().unwrap() == "mod" || path == ["lib"] {
                path.pop();
            }
            modules.push(Module::read(path, &tokens(text)));
        }
        let index = modules
            .iter()
            .enumerate()
            .map(|(number, module)| (module.path.clone(), number))
            .collect();
        Self {
            modules,
            index,
            resolved: RefCell::default(),
        }
    }

    fn child(&self, module: usize, name: &str) -> Option<usize> {
        let mut path = self.modules[module].path.clone();
        path.push(name.to_owned());
        self.index.get(&path).copied()
    }

    /// The module that defines what `name` means in `module`, looked up through re-exports.
    fn resolve(&self, module: usize, name: &Name) -> Option<usize> {
        let key = (module, name.clone());
        if let Some(found) = self.resolved.borrow().get(&key) {
            return *found;
        }
        self.resolved.borrow_mut().insert(key.clone(), None);
        let found = self.resolve_anew(module, name);
        self.resolved.borrow_mut().insert(key, found);
        found
    }

    fn resolve_anew(&self, module: usize, name: &Name) -> Option<usize> {
        let mut inline = name.inline;
        let mut path = self.modules[module].path.clone();
        let mut rest = name.segments.as_slice();
        let mut anchored = false;
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "crate" => path.clear(),
                "super" if inline > 0 => inline -= 1,
                "super" => {
                    path.pop()?;
                }
                "self" => {}
                _ => break,
            }
            anchored = true;
            rest = tail;
        }
        let mut current = *self.index.get(&path)?;
        for (number, segment) in rest.iter().enumerate() {
            if let Some(child) = self.child(current, segment) {
                current = child;
            } else if let Some(found) = self.find(current, segment) {
                let is_module = self.leads_to_module(current, segment);
                current = found;
                if !is_module {
                    return Some(current);
                }
            } else {
                return (anchored || number > 0).then_some(current);
            }
        }
        Some(current)
    }

    /// The module in which the item `name` of `module` is defined.
    fn find(&self, module: usize, name: &str) -> Option<usize> {
        self.find_unseen(module, name, &mut BTreeSet::new())
    }

    fn find_unseen(&self, module: usize, name: &str, seen: &mut BTreeSet<usize>) -> Option<usize> {
        if !seen.insert(module) {
            return None;
        }
        let this = &self.modules[module];
        if this.items.contains(name) {
            return Some(module);
        }
        if let Some(binding) = this.bindings.get(name) {
            return self.resolve(module, binding);
        }
        this.globs.iter().find_map(|glob| {
            let target = self.resolve(module, glob)?;
            self.child(target, name)
                .or_else(|| self.find_unseen(target, name, seen))
        })
    }

    /// Whether a `use` in `module` gives this name to a module rather than to an item.
    fn leads_to_module(&self, module: usize, name: &str) -> bool {
        let Some(binding) = self.modules[module].bindings.get(name) else {
            return false;
        };
        let found = self.resolve(module, binding);
        found.is_some_and(|found| self.modules[found].path.last() == binding.segments.last())
    }

    /// The groups of modules that import each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let count = self.modules.len();
        let mut edges = vec![BTreeSet::new(); count];
        for (number, module) in self.modules.iter().enumerate() {
            for name in &module.needs {
                if let Some(target) = self.resolve(number, name) {
                    edges[number].insert(target);
                }
            }
        }
        let reached: Vec<BTreeSet<usize>> = (0..count)
            .map(|start| {
                let mut seen = BTreeSet::new();
                let mut open = vec![start];
                while let Some(next) = open.pop() {
                    open.extend(edges[next].iter().filter(|&&edge| seen.insert(edge)));
                }
                seen
            })
            .collect();
        let mut circles = BTreeSet::new();
        for start in 0..count {
            let group: BTreeSet<usize> = (0..count)
                .filter(|&other| reached[start].contains(&other) && reached[other].contains(&start))
                .collect();
            if group.len() > 1 {
                circles.insert(group);
            }
        }
        let name = |module: &usize| {
            let path = self.modules[*module].path.join("::");
            if path.is_empty() {
                "crate".to_owned()
            } else {
                path
            }
        };
        let names = |group: &BTreeSet<usize>| group.iter().map(name).collect();
        circles.iter().map(names).collect()
    }
}

impl Module {
    fn read(path: Vec<String>, tokens: &[Token]) -> Self {
        let mut module = Self {
            path,
            ..Self::default()
        };
        // The depths of braces at which inline modules begin.
        let mut inline: Vec<usize> = Vec::new();
        let mut depth = 0;
        let mut at = 0;
        while at < tokens.len() {
            let token = &tokens[at];
            let next = tokens.get(at + 1);
            let after_path =
                at > 0 && (tokens[at - 1].kind == Kind::Path || tokens[at - 1].is("."));
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if inline.last() == Some(&depth) {
                        inline.pop();
                    }
                }
                "mod" if tokens.get(at + 2).is_some_and(|token| token.is("{")) => {
                    if for_tests(&tokens[..at]) {
                        at = end_of_block(tokens, at + 2);
                        continue;
                    }
                    inline.push(depth);
                }
                "use" if !after_path => {
                    let end = (at..tokens.len()).find(|&i| tokens[i].is(";")).unwrap();
                    if tokens[at..end].iter().all(|token| !token.is("<")) {
                        let public = at > 0 && (tokens[at - 1].is("pub") || tokens[at - 1].is(")"));
                        let mut reader = Imports {
                            tokens: &tokens[at + 1..end],
                            at: 0,
                            inline: inline.len(),
                            public,
                            module: &mut module,
                        };
                        reader.tree(&[]);
                        at = end;
                    }
                }
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union" => {
                    if let Some(name) = next.filter(|name| name.kind == Kind::Word) {
                        module.items.insert(name.text.clone());
                    }
                }
                "macro_rules" => {
                    if let Some(name) = tokens.get(at + 2) {
                        module.items.insert(name.text.clone());
                    }
                }
                _ if token.kind == Kind::Word && !after_path => {
                    let mut segments = vec![token.text.clone()];
                    while tokens
                        .get(at + 1)
                        .is_some_and(|token| token.kind == Kind::Path)
                        && tokens
                            .get(at + 2)
                            .is_some_and(|token| token.kind == Kind::Word)
                    {
                        segments.push(tokens[at + 2].text.clone());
                        at += 2;
                    }
                    if segments.len() > 1 {
                        let inline = inline.len();
                        module.needs.push(Name { segments, inline });
                    }
                }
                _ => {}
            }
            at += 1;
        }
        module
    }
}

/// Whether these tokens end in `#[cfg(test)]`, or in `#[cfg(all(test, …))]`.
fn for_tests(tokens: &[Token]) -> bool {
    let Some(start) = tokens.iter().rposition(|token| token.is("#")) else {
        return false;
    };
    let attribute = &tokens[start..];
    attribute.last().is_some_and(|token| token.is("]"))
        && attribute.iter().any(|token| token.is("cfg"))
        && attribute.iter().any(|token| token.is("test"))
}

/// The index behind the block that begins at `open`.
fn end_of_block(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (number, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return number + 1;
        }
    }
    tokens.len()
}

/// Reads the tree of a `use` declaration.
struct Imports<'a> {
    tokens: &'a [Token],
    at: usize,
    inline: usize,
    public: bool,
    module: &'a mut Module,
}

impl Imports<'_> {
    fn tree(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.text.as_str() {
                "::" => {}
                "{" => {
                    while !self.tokens[self.at].is("}") {
                        self.tree(&segments);
                        if self.tokens[self.at].is(",") {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    let name = self.name(segments);
                    self.module.globs.push(name);
                    return;
                }
                "as" => {
                    let alias = self.tokens[self.at].text.clone();
                    self.at += 1;
                    return self.bind(alias, segments);
                }
                "," | "}" => {
                    self.at -= 1;
                    break;
                }
                // `use a::{self, b}` binds `a`.
                "self" if !segments.is_empty() => {}
                _ => segments.push(token.text.clone()),
            }
        }
        if let Some(last) = segments.last().cloned() {
            self.bind(last, segments);
        }
    }

    fn name(&self, segments: Vec<String>) -> Name {
        let inline = self.inline;
        Name { segments, inline }
    }

    fn bind(&mut self, alias: String, segments: Vec<String>) {
        let name = self.name(segments);
        // What is re-exported counts where it is imported in the end.
        if !self.public {
            self.module.needs.push(name.clone());
        }
        // `use loom;` would otherwise mean itself.
        if name.segments != [alias.as_str()] {
            self.module.bindings.insert(alias, name);
        }
    }
}

#[test]
fn modules_of_a_crate_import_each_other_in_no_circle() {
    let sources = product(&[".rs"]);
    let mut found = BTreeSet::new();
    for (name, folder) in crates() {
        for circle in Crate::read(&folder, &sources).circles() {
            found.insert(format!("{name}: {}", circle.join(" ")));
        }
    }
    compare(
        "circles",
        "No modules of a crate import each other in a circle.",
        &found,
    );
}

#[test]
fn circles_are_found_through_re_exports() {
    let source = |file: &str, text: &str| (format!("x/src/{file}"), text.to_owned());
    let sources = [
        source("lib.rs", "mod a; mod b; mod c; pub use a::A; pub use c::C;"),
        source("a.rs", "use crate::C; use std::fmt; pub struct A;"),
        source("b.rs", "use crate::{A, C}; pub fn b() { super::a::A; }"),
        source("c/mod.rs", "mod d; pub use d::C;"),
        source(
            "c/d.rs",
            "pub struct C; fn f() { crate::a::f() } #[cfg(test)] mod tests { use crate::b::b; }",
        ),
    ];
    let circles = Crate::read("x/src", &sources).circles();
    assert_eq!(circles, [["a", "c::d"]]);
}

#[test]
fn a_module_with_children_lies_in_its_folder() {
    let mut found = BTreeSet::new();
    for (file, _) in product(&[".rs"]) {
        let folder = file.trim_end_matches(".rs");
        let outside = ["lib", "main"].iter().any(|root| folder.ends_with(root));
        if !outside && fs::metadata(root().join(folder)).is_ok_and(|entry| entry.is_dir()) {
            found.insert(file);
        }
    }
    let rule = "A module with children is `x/mod.rs`, not `x.rs` beside `x/`.";
    compare("module_files", rule, &found);
}
