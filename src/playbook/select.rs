//! Finds playbooks: the built-in ones, and those of a user's folder, which add to them or take their place.
//!
//! A user's playbook replaces a built-in one of the same id as a whole, since half of each would be a text that nobody has read.
//! Reads the folder once, when asked to; does not watch it.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    library,
    model::{MAX_FILE_BYTES, Parts, Playbook, PlaybookError},
    render::{self, Facts, RenderedPlaybook},
    template,
};
use crate::types::{lang::Lang, suggest};

/// What a list of playbooks shows of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PlaybookSummary {
    /// The name to ask for it by.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The symptoms that lead to it.
    pub when: String,
    /// The number of its steps.
    pub steps: usize,
}

/// All playbooks at hand.
#[derive(Debug, Clone)]
pub struct Library {
    playbooks: Vec<Playbook>,
}

impl Library {
    /// The built-in playbooks.
    ///
    /// # Errors
    /// When one is not whole, which a test excludes.
    pub fn builtin() -> Result<Self, PlaybookError> {
        let parse = |source: &library::Source| {
            let origin = format!("built-in {}", source.id);
            Playbook::parse(Parts { id: source.id, origin: &origin, steps: source.steps, en: Some(source.en), zh: Some(source.zh) })
        };
        Ok(Self { playbooks: library::ALL.iter().map(parse).collect::<Result<_, _>>()? })
    }

    /// Adds the playbooks of a folder: one folder each, named by its id, with `steps.toml` and `en.md`, `zh.md` or both.
    ///
    /// Plain files beside the folders and names that begin with a dot are skipped. A playbook in one language only is shown in that one.
    ///
    /// # Errors
    /// When anything in it cannot be read or is not whole; the message names the file. Nothing is added by halves.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, PlaybookError> {
        let failed = |source| PlaybookError::Read { path: folder.to_owned(), source };
        let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for path in entries.iter().map(fs::DirEntry::path).filter(|path| path.is_dir()) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            let playbook = read_playbook(&path, &name)?;
            match self.playbooks.iter_mut().find(|known| known.id == name) {
                Some(known) => *known = playbook,
                None => self.playbooks.push(playbook),
            }
        }
        Ok(self)
    }

    /// The ids, in the order in which lists show them.
    pub fn ids(&self) -> Vec<&str> {
        self.playbooks.iter().map(|playbook| playbook.id.as_str()).collect()
    }

    /// What there is.
    pub fn list(&self, lang: Lang) -> Vec<PlaybookSummary> {
        let summary = |playbook: &Playbook| {
            let (_, text) = playbook.text(lang)?;
            Some(PlaybookSummary { id: playbook.id.clone(), title: text.title.clone(), when: text.when.clone(), steps: playbook.steps.len() })
        };
        self.playbooks.iter().filter_map(summary).collect()
    }

    /// A playbook with the target's values filled in.
    ///
    /// # Errors
    /// [`PlaybookError::Unknown`] lists the known ids and the nearest.
    pub fn render(&self, id: &str, lang: Lang, facts: &Facts) -> Result<RenderedPlaybook, PlaybookError> {
        let unknown = || PlaybookError::Unknown {
            id: id.to_owned(),
            known: self.ids().into_iter().map(str::to_owned).collect(),
            nearest: suggest::nearest(id, self.ids()).map(str::to_owned),
        };
        let playbook = self.playbooks.iter().find(|playbook| playbook.id == id).ok_or_else(unknown)?;
        render::render(playbook, lang, facts)
    }
}

fn read_playbook(path: &Path, name: &str) -> Result<Playbook, PlaybookError> {
    if !template::is_name(name) {
        return Err(PlaybookError::Folder { path: path.to_owned(), problem: "the folder's name must be snake_case: it is the playbook's id".to_owned() });
    }
    let Some(steps) = read_file(&path.join("steps.toml"))? else {
        return Err(PlaybookError::Folder { path: path.to_owned(), problem: "has no steps.toml".to_owned() });
    };
    let (en, zh) = (read_file(&path.join("en.md"))?, read_file(&path.join("zh.md"))?);
    Playbook::parse(Parts { id: name, origin: &path.display().to_string(), steps: &steps, en: en.as_deref(), zh: zh.as_deref() })
}

/// A file's text, or none if it does not exist.
fn read_file(path: &Path) -> Result<Option<String>, PlaybookError> {
    let failed = |source| PlaybookError::Read { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        // Opening a FIFO would wait for a writer.
        Ok(meta) if !meta.is_file() => return Err(PlaybookError::Folder { path: path.to_owned(), problem: "is not a plain file".to_owned() }),
        Ok(meta) if meta.len() > MAX_FILE_BYTES => return Err(PlaybookError::TooLarge { path: path.to_owned(), limit_bytes: MAX_FILE_BYTES }),
        Ok(_) => {}
    }
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(PlaybookError::TooLarge { path: path.to_owned(), limit_bytes: MAX_FILE_BYTES });
    }
    Ok(Some(text))
}
