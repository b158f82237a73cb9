//! Rust source as the rules see it: without comments and the contents of strings, and without test code where a rule is about the product.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;

/// The folder of this package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One file.
pub(crate) struct SourceFile {
    /// Relative to `src` (or `tests`), with forward slashes.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) raw: String,
    /// Comments and contents of literals blanked, line for line.
    pub(crate) code: String,
    /// As `code`, with `#[cfg(test)]` items blanked too.
    pub(crate) product: String,
    /// Lines that belong to `#[cfg(test)]` items.
    test_lines: usize,
    whole_file_is_test: bool,
}

/// All Rust files under a top-level folder, in order of their paths.
pub(crate) fn rust_files(folder: &str) -> Vec<SourceFile> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    let mut files: Vec<SourceFile> = paths.iter().map(|path| SourceFile::read(path)).collect();
    // A module that its parent declares for tests only is test code from its first line.
    let test_modules: BTreeSet<String> = files.iter().flat_map(SourceFile::test_modules).collect();
    for file in &mut files {
        let stem = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        file.whole_file_is_test = stem.ends_with("/tests") || test_modules.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/")));
        if file.whole_file_is_test {
            file.product = blank(&file.code, 0..file.code.len());
        }
    }
    files
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

impl SourceFile {
    /// Reads one file.
    pub(crate) fn read(path: &Path) -> Self {
        let raw = fs::read_to_string(path).unwrap();
        let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let path = relative.split_once('/').unwrap().1.to_owned();
        let code = strip(&raw);
        let (product, test_lines) = without_tests(&code);
        Self { path, raw, code, product, test_lines, whole_file_is_test: false }
    }

    /// The top-level module it belongs to; `lib` and `main` for the roots.
    pub(crate) fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Whether it holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        self.whole_file_is_test
    }

    /// Lines without test items; none if it is all tests.
    pub(crate) fn product_lines(&self) -> usize {
        if self.whole_file_is_test { 0 } else { self.raw.lines().count() - self.test_lines }
    }

    /// Top-level modules of this crate that the product code names, through `crate::`, `opsmedic::` or `super::`.
    pub(crate) fn imports(&self) -> BTreeSet<String> {
        static PATHS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|[^\w:$])(?:crate|opsmedic)\s*::\s*").unwrap());
        static SUPERS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|[^\w:])((?:super\s*::\s*)+)").unwrap());
        let mut found: BTreeSet<String> = PATHS.find_iter(&self.product).flat_map(|m| heads(&self.product[m.end()..])).collect();
        let parts = self.path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
        for supers in SUPERS.captures_iter(&self.product) {
            // As many steps up as the file is deep end at the crate's root.
            let chain = supers.get(1).unwrap();
            if chain.as_str().matches("super").count() >= parts {
                found.extend(heads(&self.product[chain.end()..]));
            }
        }
        found.remove("self");
        found
    }

    /// Whether the product code names this outside crate.
    pub(crate) fn uses_crate(&self, name: &str) -> bool {
        Regex::new(&format!(r"(?:^|[^\w:]|[^\w:]::){name}\s*::|\buse\s+{name}\s*[;:]")).unwrap().is_match(&self.product)
    }

    /// First parts of the paths in `use` items of the product code, without those that lead into this crate.
    pub(crate) fn used_roots(&self) -> BTreeSet<String> {
        static USES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\buse\s+(?:::)?").unwrap());
        let heads = USES.find_iter(&self.product).flat_map(|m| heads(&self.product[m.end()..]));
        heads.filter(|name| !["crate", "super", "self"].contains(&name.as_str())).collect()
    }

    /// What stands between `ALL` and the end of its list.
    pub(crate) fn list_of_all(&self) -> Option<String> {
        let begin = Regex::new(r"\b(?:const|static)\s+ALL\s*:").unwrap().find(&self.raw)?.end();
        let equals = begin + self.raw[begin..].find('=')?;
        let end = equals + self.raw[equals..].find(';')?;
        Some(self.raw[equals..end].to_owned())
    }

    /// Functions with more lines of code than this, test code included.
    pub(crate) fn long_functions(&self, most: usize) -> Vec<String> {
        static HEAD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bfn\s+(\w+)").unwrap());
        let mut long = Vec::new();
        for head in HEAD.captures_iter(&self.code) {
            let from = head.get(0).unwrap().end();
            let Some(open) = self.code[from..].find(['{', ';']).map(|at| from + at) else { continue };
            if self.code[open..].starts_with('{') {
                let body = &self.code[open..block_end(&self.code, open)];
                let lines = body.lines().filter(|line| !line.trim().is_empty()).count().saturating_sub(2);
                if lines > most {
                    long.push(format!("fn {} has {lines} lines", &head[1]));
                }
            }
        }
        long
    }

    /// Paths (without `.rs`) of modules that this file declares under `#[cfg(test)]`.
    fn test_modules(&self) -> Vec<String> {
        static DECLARED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]\s*(?:pub(?:\([a-z]+\))?\s+)?mod\s+(\w+)\s*;").unwrap());
        let stem = self.path.trim_end_matches(".rs");
        let folder = stem.strip_suffix("/mod").or((stem == "lib" || stem == "main").then_some("")).unwrap_or(stem);
        let join = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        DECLARED.captures_iter(&self.code).map(|found| join(&found[1])).collect()
    }
}

/// The first names of a path or of each member of a `{..}` group.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| {
        let text = text.trim_start().trim_start_matches("r#");
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        if text.starts_with('*') { "*".to_owned() } else { text[..end].to_owned() }
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut begin, mut found) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(name(&group[begin..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(name(&group[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// Where the block that opens at `open` ends (behind its brace).
fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return open + at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Blanks items under `#[cfg(test)]`; also gives how many lines those have.
fn without_tests(code: &str) -> (String, usize) {
    static GATE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"#\[cfg\((?:test|all\(test[^\]]*)\)\]").unwrap());
    let (mut out, mut lines, mut done) = (code.to_owned(), 0, 0);
    for gate in GATE.find_iter(code) {
        if gate.start() < done {
            continue;
        }
        let rest = &code[gate.end()..];
        let Some(stop) = rest.find(['{', ';']).map(|at| gate.end() + at) else { continue };
        let end = if code[stop..].starts_with('{') { block_end(code, stop) } else { stop + 1 };
        lines += code[gate.start()..end].lines().count();
        out = blank(&out, gate.start()..end);
        done = end;
    }
    (out, lines)
}

fn blank(text: &str, range: std::ops::Range<usize>) -> String {
    let blanked: String = text[range.clone()].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    // Blanking may change the length in bytes, never that of what is in front.
    let padding = " ".repeat(range.len() - blanked.len());
    format!("{}{blanked}{padding}{}", &text[..range.start], &text[range.end..])
}

/// Comments and contents of string and character literals, one token each; lifetimes are none of them.
static LITERALS: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        r"//[^\n]*",
        r"/\*(?s:.*?)\*/",
        r##"\b[bc]?r#"(?s:.*?)"#"##,
        r###"\b[bc]?r##"(?s:.*?)"##"###,
        r#"\b[bc]?r"[^"]*""#,
        r#"\b?[bc]?"(?:\\(?s:.)|[^"\\])*""#,
        r"b?'(?:\\(?:u\{[0-9a-fA-F_]+\}|x[0-9a-fA-F]{2}|.)|[^'\\\n])'",
    ];
    Regex::new(&kinds.join("|")).unwrap()
});

/// Source with comments and literals blanked; each line stays a line, each byte a byte.
fn strip(source: &str) -> String {
    let mut out = source.to_owned();
    for literal in LITERALS.find_iter(source) {
        out = if out.len() == source.len() { blank(&out, literal.range()) } else { out };
    }
    out
}

#[test]
fn strips_what_is_no_code() {
    let source = "let a = \"crate::x // no\"; // crate::y\nlet b = r#\"a \" b\"#; /* z\n */ fn f<'a>(c: char) { c == '\"' || c == '\\'' }\n";
    let stripped = strip(source);
    assert_eq!(stripped.lines().count(), source.lines().count());
    assert_eq!(stripped.len(), source.len());
    assert!(!stripped.contains("crate") && !stripped.contains('z') && !stripped.contains('"'), "{stripped}");
    assert!(stripped.contains("fn f<'a>(c: char) { c ==     || c ==      }"), "{stripped}");
}

#[test]
fn finds_imports_of_every_shape() {
    let code = "use crate::{ports::Ports, types::{a, b}, store};\nfn f() { crate::logs::x(); super::super::health::y(); super::near::z() }\n\
                #[cfg(test)]\nmod tests { use crate::config::C; }\nuse crate::mcp::server;";
    let (product, test_lines) = without_tests(code);
    let file = SourceFile { path: "recovery/plan.rs".into(), raw: code.into(), code: code.into(), product, test_lines, whole_file_is_test: false };
    let found: Vec<String> = file.imports().into_iter().collect();
    assert_eq!(found, ["health", "logs", "mcp", "ports", "store", "types"]);
    assert_eq!((test_lines, file.product_lines()), (2, 3));
}

#[test]
fn finds_long_functions_and_foreign_crates() {
    let code = format!("use sqlx::Row;\nfn long() {{\n{}}}\nfn short() {{\n    a::rmcp::b();\n}}\n", "    x();\n".repeat(61));
    let file = SourceFile { path: "health/a.rs".into(), raw: code.clone(), code: code.clone(), product: code, test_lines: 0, whole_file_is_test: false };
    assert_eq!(file.long_functions(60), ["fn long has 61 lines"]);
    assert!(file.uses_crate("sqlx"));
    assert!(!file.uses_crate("rmcp"), "a module of that name is no crate");
}
