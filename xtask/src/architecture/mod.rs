//! Checks the imports of `src/` by the floors of ARCHITECTURE.md: no file imports upward, and no files import each other
//! in a circle.

mod crate_map;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use self::crate_map::CrateMap;

/// Which files a file imports, and by which names.
type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Checks the checkout at `root`.
pub(crate) fn check(root: &Path) -> Result<()> {
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let imports = CrateMap::read(&root.join("src"))?.imports();
    let mut faults = upward(&imports, &floors(&page)?);
    faults.extend(circles(&imports));
    ensure!(faults.is_empty(), "the imports of src/:\n{}", faults.join("\n"));
    Ok(())
}

/// A row of the table of floors: the files and folders of `src/` that may import each other.
#[derive(Debug)]
struct Row {
    floor: u8,
    rooms: Vec<String>,
}

impl Row {
    fn holds(&self, file: &str) -> bool {
        self.rooms.iter().any(|name| name == room(file))
    }
}

/// The rows of the page's table of floors.
fn floors(page: &str) -> Result<Vec<Row>> {
    let table = page.lines().skip_while(|line| !line.starts_with("| floor |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| {
        let mut cells = line.split('|').skip(1);
        let floor = cells.next().unwrap_or_default().trim();
        let floor = floor.parse().with_context(|| format!("the floor {floor:?}"))?;
        let names = cells.next().unwrap_or_default().split('`').skip(1).step_by(2);
        Ok(Row { floor, rooms: names.map(|name| name.trim_end_matches('/').to_owned()).collect() })
    });
    let rows: Vec<Row> = rows.collect::<Result<_>>()?;
    ensure!(!rows.is_empty(), "ARCHITECTURE.md has no table that starts with `| floor |`");
    Ok(rows)
}

/// The file or folder of `src/` that a file belongs to.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// Imports from a floor above, or from another row of the same floor; and rooms that only the page or the code knows.
fn upward(imports: &Imports, floors: &[Row]) -> Vec<String> {
    let row_of = |file: &str| floors.iter().position(|row| row.holds(file));
    let files = || imports.keys().map(String::as_str).filter(|file| *file != "lib.rs");
    let mut faults = Vec::new();
    let rooms: BTreeSet<&str> = files().map(room).collect();
    for missing in rooms.iter().filter(|room| row_of(room).is_none()) {
        faults.push(format!(
            "  src/{missing} is on no floor: put it into the table of ARCHITECTURE.md"
        ));
    }
    let listed = floors.iter().flat_map(|row| &row.rooms);
    for gone in listed.filter(|name| !rooms.contains(name.as_str())) {
        faults
            .push(format!("  src/{gone} is in the table of ARCHITECTURE.md, but not in the code"));
    }
    for from in files() {
        for (to, names) in &imports[from] {
            let names = listing(names);
            if to == "lib.rs" {
                faults.push(format!(
                    "  src/{from} imports {names} from src/lib.rs, which is above all floors"
                ));
            } else if let (Some(here), Some(there)) = (row_of(from), row_of(to))
                && here != there
                && floors[here].floor <= floors[there].floor
            {
                faults.push(format!("  src/{from} imports upward: {names} from src/{to}"));
            }
        }
    }
    faults
}

fn listing(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The circles, and what each file of them takes from the others.
fn circles(imports: &Imports) -> Vec<String> {
    let mut faults = Vec::new();
    for files in circles_of(imports) {
        let list = files.iter().map(|file| format!("{file:?}")).collect::<Vec<_>>().join(", ");
        faults.push(format!("  these files import each other: [{list}]"));
        for from in &files {
            for (to, names) in imports[*from].iter().filter(|(to, _)| files.contains(&to.as_str()))
            {
                let names = listing(names);
                faults.push(format!("    {from} takes {names} from {to}"));
            }
        }
    }
    faults
}

/// file. Sorted.
fn circles_of(imports: &Imports) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|start| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![start.as_str()]);
            while let Some(file) = next.pop() {
                let targets = imports.get(file).into_iter().flat_map(BTreeMap::keys);
                next.extend(targets.map(String::as_str).filter(|to| seen.insert(*to)));
            }
            (start.as_str(), seen)
        })
        .collect();
    let circle = |file: &&str| -> Vec<&str> {
        let back = |other: &&&str| reached.get(**other).is_some_and(|seen| seen.contains(*file));
        reached[*file].iter().filter(back).copied().collect()
    };
    reached.keys().map(circle).filter(|files| files.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Result<Imports> {
        let folder =
            std::env::temp_dir().join(format!("edgecask-architecture-{}", std::process::id()));
        // Each test has a folder of its own: their threads share the process.
        let folder = folder.join(format!("{:?}", std::thread::current().id()));
        for (name, code) in files {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
            std::fs::write(file, code)?;
        }
        let map = CrateMap::read(&folder);
        std::fs::remove_dir_all(&folder)?;
        Ok(map?.imports())
    }

    const PAGE: &str = "\
| floor | room | holds |
|---|---|---|
| 1 | `low.rs` | |
| 2 | `high/` | |
| 2 | `beside.rs` | |
";

    #[test]
    fn this_checkout_is_in_order() -> Result<()> {
        check(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask/ is a folder")?)
    }

    #[test]
    fn an_import_upward_is_found_however_it_is_written() -> Result<()> {
        let floors = floors(PAGE)?;
        let lib = "mod low; mod high; mod beside; pub use high::inner::Thing;";
        let high = "pub mod inner; pub use inner::Thing;";
        let inner = "pub struct Thing; pub fn make() -> Thing { Thing }";
        for (low, expected) in [
            ("use crate::Thing;", true),
            ("use crate::high::{self, Thing as Other};", true),
            ("fn f() { crate::high::inner::make(); }", true),
            ("fn f() -> super::high::Thing { loop {} }", true),
            ("fn f() { println!(\"{:?}\", crate::high::inner::make()); }", true),
            ("use crate::high; fn f() { high::inner::make(); }", true),
            ("use crate::high::*; fn f(_: Thing) {}", true),
            ("macro_rules! m { () => { $crate::high::inner::make() }; }", true),
            ("pub use crate::high::Thing;", true),
            ("fn f() { use crate::Thing; }", true),
            ("#[cfg(test)] mod tests { use crate::Thing; }", false),
            ("/// [`crate::high::Thing`]\nfn f() {}", false),
            ("fn high() {} fn f() { high() }", false),
        ] {
            let imports = imports(&[
                ("lib.rs", lib),
                ("low.rs", low),
                ("beside.rs", ""),
                ("high/mod.rs", high),
                ("high/inner.rs", inner),
            ])?;
            let faults = upward(&imports, &floors);
            assert_eq!(!faults.is_empty(), expected, "{low}: {faults:?}");
        }
        Ok(())
    }

    #[test]
    fn rows_of_one_floor_leave_each_other_alone() -> Result<()> {
        let imports = imports(&[
            ("lib.rs", "mod low; mod high; mod beside;"),
            ("low.rs", "pub struct Low;"),
            ("high/mod.rs", "pub struct High(crate::low::Low);"),
            ("beside.rs", "use crate::{high::High, low::Low};"),
        ])?;
        let faults = upward(&imports, &floors(PAGE)?);
        let expected = "  src/beside.rs imports upward: crate::high::High from src/high/mod.rs";
        assert_eq!(faults, [expected]);
        Ok(())
    }

    #[test]
    fn the_table_and_the_code_name_the_same_rooms() -> Result<()> {
        let imports =
            imports(&[("lib.rs", "mod low; mod other;"), ("low.rs", ""), ("other.rs", "")])?;
        let faults = upward(&imports, &floors(PAGE)?).join("\n");
        assert!(faults.contains("src/other.rs is on no floor"), "{faults}");
        assert!(faults.contains("src/high is in the table"), "{faults}");
        Ok(())
    }

    #[test]
    fn circles_are_exact() -> Result<()> {
        let imports = imports(&[
            ("lib.rs", "mod a;"),
            // The `mod.rs` of a folder may re-export what its files define.
            ("a/mod.rs", "mod b; mod c; mod d; pub use b::B;"),
            ("a/b.rs", "use super::c::C; pub struct B; impl B { fn f(_: C) {} }"),
            ("a/c.rs", "pub struct C; pub fn back(_: super::B) {}"),
            ("a/d.rs", "use super::B; fn f(_: B) {}"),
        ])?;
        let found = circles(&imports);
        assert_eq!(found[0], r#"  these files import each other: ["a/b.rs", "a/c.rs"]"#);
        assert!(found.contains(&"    a/c.rs takes super::B from a/b.rs".to_owned()), "{found:?}");
        assert_eq!(found.len(), 3);
        Ok(())
    }

    #[test]
    fn globs_in_a_circle_lead_to_what_they_name() -> Result<()> {
        // Each of them re-exports everything that the others define.
        let names = ["a", "b", "c", "d"];
        let globs = |own: &str| {
            let others = names.iter().filter(|name| **name != own);
            others.map(|name| format!("pub use super::{name}::*;")).collect::<String>()
        };
        let files = names.map(|name| (format!("{name}.rs"), globs(name)));
        let mut files: Vec<(&str, &str)> =
            files.iter().map(|(file, code)| (file.as_str(), code.as_str())).collect();
        files.push(("lib.rs", "mod a; mod b; mod c; mod d; mod e; mod f;"));
        files.push(("e.rs", "pub struct Thing; pub use super::a::*;"));
        files.push(("f.rs", "use crate::e::*; fn f(_: Thing, _: crate::a::Other) {}"));
        let found = imports(&files)?;
        assert_eq!(found["f.rs"].keys().collect::<Vec<_>>(), ["e.rs"]);
        Ok(())
    }
}
