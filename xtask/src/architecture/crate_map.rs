//! The modules of a crate, what each defines, and which file a path leads to.
//!
//! It reads source text: it does not see names that only the output of a macro contains, nor method calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

use super::Imports;

type Segments = Vec<String>;

/// The lookups under way: a module and a name. A lookup that comes again is a circle of re-exports, and finds nothing.
type Open = Vec<(usize, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// What the module with this number defines.
    Item(usize),
}

#[derive(Debug)]
enum Name {
    Item,
    Module(usize),
    Use(Segments),
}

#[derive(Debug)]
struct Module {
    parent: usize,
    /// Relative to the crate's folder, with `/`.
    file: String,
    /// A name has more than one child where `cfg` selects one of them.
    names: BTreeMap<String, Vec<Name>>,
    globs: Vec<Segments>,
    /// Paths that the code names, and those of `use`; with whether they only re-export a name.
    paths: Vec<(Segments, bool)>,
}

/// A crate's modules; the root is the first.
#[derive(Debug)]
pub(super) struct CrateMap {
    modules: Vec<Module>,
}

impl CrateMap {
    /// Reads the crate whose `lib.rs` is in this folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut map = Self { modules: Vec::new() };
        map.file(folder, Path::new("lib.rs"), 0)?;
        Ok(map)
    }

    fn file(&mut self, root: &Path, file: &Path, parent: usize) -> Result<usize> {
        let name = || file.display().to_string();
        let code = std::fs::read_to_string(root.join(file)).with_context(name)?;
        let items = syn::parse_file(&code).with_context(name)?.items;
        let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "mod") => file.with_file_name(""),
            _ => file.with_extension(""),
        };
        self.module(root, file, &folder, parent, &items)
    }

    fn module(
        &mut self,
        root: &Path,
        file: &Path,
        folder: &Path,
        parent: usize,
        items: &[Item],
    ) -> Result<usize> {
        let this = self.modules.len();
        self.modules.push(Module {
            parent,
            file: file.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"),
            names: BTreeMap::new(),
            globs: Vec::new(),
            paths: Vec::new(),
        });
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let below = folder.join(&name);
                    let child = match &module.content {
                        Some((_, items)) => self.module(root, file, &below, this, items)?,
                        None => self.file(root, &found(root, &below), this)?,
                    };
                    self.name(this, name, Name::Module(child));
                }
                Item::Use(item) => {
                    let mut leaves = Vec::new();
                    flatten(&item.tree, &mut Vec::new(), &mut leaves);
                    for (bound, path) in leaves {
                        let hands_on = !matches!(item.vis, Visibility::Inherited);
                        match bound {
                            Some(bound) => self.name(this, bound, Name::Use(path.clone())),
                            None => self.modules[this].globs.push(path.clone()),
                        }
                        self.modules[this].paths.push((path, hands_on));
                    }
                }
                item => {
                    if let Some(name) = defined(item) {
                        self.name(this, name, Name::Item);
                    }
                    let mut paths = Paths::default();
                    paths.visit_item(item);
                    self.modules[this].paths.extend(paths.0.into_iter().map(|path| (path, false)));
                }
            }
        }
        Ok(this)
    }

    fn name(&mut self, module: usize, name: String, is: Name) {
        self.modules[module].names.entry(name).or_default().push(is);
    }

    /// Which files each file takes names from. A `pub use` of what the module's own children define is a re-export, and imports
    /// nothing.
    pub(super) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (at, module) in self.modules.iter().enumerate() {
            let targets = imports.entry(module.file.clone()).or_default();
            for (path, hands_on) in &module.paths {
                for target in self.resolve(at, path, &mut Open::new()) {
                    let Target::Item(definer) = target else { continue };
                    let file = &self.modules[definer].file;
                    if *file == module.file || *hands_on && self.is_below(definer, at) {
                        continue;
                    }
                    targets.entry(file.clone()).or_default().insert(path.join("::"));
                }
            }
        }
        imports
    }

    fn is_below(&self, mut module: usize, above: usize) -> bool {
        while module != above {
            if module == 0 {
                return false;
            }
            module = self.modules[module].parent;
        }
        true
    }

    /// What a path names, as seen from a module; nothing if it leads out of the crate.
    fn resolve(&self, from: usize, path: &[String], open: &mut Open) -> Vec<Target> {
        let Some((first, mut rest)) = path.split_first() else { return Vec::new() };
        let mut found = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(from)],
            "super" => vec![Target::Module(self.modules[from].parent)],
            name => self.lookup(from, name, open),
        };
        while let Some((next, after)) = rest.split_first() {
            rest = after;
            let step = |target| match target {
                // Names after an item belong to it: a variant, a method.
                Target::Item(_) => vec![target],
                Target::Module(module) if next == "super" => {
                    vec![Target::Module(self.modules[module].parent)]
                }
                Target::Module(module) => self.lookup(module, next, open),
            };
            found = found.into_iter().flat_map(step).collect();
        }
        found
    }

    fn lookup(&self, module: usize, name: &str, open: &mut Open) -> Vec<Target> {
        if open.iter().any(|(at, looked_up)| *at == module && looked_up == name) {
            return Vec::new();
        }
        open.push((module, name.to_owned()));
        let Module { names, globs, .. } = &self.modules[module];
        let mut found = Vec::new();
        if let Some(names) = names.get(name) {
            for is in names {
                match is {
                    Name::Item => found.push(Target::Item(module)),
                    Name::Module(child) => found.push(Target::Module(*child)),
                    Name::Use(path) => found.extend(self.resolve(module, path, open)),
                }
            }
        } else {
            for glob in globs {
                let path: Segments = glob.iter().cloned().chain([name.to_owned()]).collect();
                found.extend(self.resolve(module, &path, open));
            }
        }
        open.pop();
        found
    }
}

fn found(root: &Path, below: &Path) -> PathBuf {
    let file = below.with_extension("rs");
    if root.join(&file).exists() { file } else { below.join("mod.rs") }
}

/// The paths of a `use`, each with the name that it binds; a glob binds none.
fn flatten(tree: &UseTree, before: &mut Segments, leaves: &mut Vec<(Option<String>, Segments)>) {
    let with = |before: &Segments, name: &syn::Ident| -> Segments {
        // `use a::{self}` is `use a`.
        let itself = name == "self" && !before.is_empty();
        before.iter().cloned().chain((!itself).then(|| name.to_string())).collect()
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, leaves);
            before.pop();
        }
        UseTree::Name(name) => {
            let path = with(before, &name.ident);
            leaves.push((path.last().cloned(), path));
        }
        UseTree::Rename(name) => {
            leaves.push((Some(name.rename.to_string()), with(before, &name.ident)));
        }
        UseTree::Glob(_) => leaves.push((None, before.clone())),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, before, leaves));
        }
    }
}

/// The name that an item defines in its module.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Every path in a piece of code, also inside of macros.
#[derive(Default)]
struct Paths(Vec<Segments>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut leaves = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut leaves);
        self.0.extend(leaves.into_iter().map(|(_, path)| path));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // Derives and helpers come from other crates; documentation may name what it likes.
        let _ = attribute;
    }
}

impl Paths {
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons, mut after_dot) = (Segments::new(), 0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(name) if !after_dot => {
                    if colons != 2 {
                        self.0.push(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    after_dot = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '.');
                    self.0.push(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.0.push(path);
    }
}
