//! What is wrong with a scene, and what is lost of it.

use serde::Serialize;
use std::fmt;

/// A remark about one place of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Where, as a path in the glTF: `materials[3].extensions.KHR_materials_transmission`.
    pub place: String,
    /// What, in words for a person.
    pub message: String,
}

impl Note {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: short(place.into()), message: short(message.into()) }
    }
}

/// Longest text of a note, in bytes: two hundred of them must not hold a file's longest two hundred
/// times.
const LONGEST: usize = 1000;

fn short(text: String) -> String {
    match text.get(..LONGEST) {
        None if text.len() <= LONGEST => text,
        _ => format!("{}…", &text[..text.floor_char_boundary(LONGEST)]),
    }
}

/// The beginning of a text of the file, for a message about each place that refers to it.
pub(crate) fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// What changes the picture and is not supported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of discovery; at most [`Report::MOST`], the last of which says how many more
    /// there were.
    pub warnings: Vec<Note>,
}

impl Report {
    /// Most warnings kept: a file of a million nodes must not make a report of a million lines.
    pub const MOST: usize = 200;
}

/// Why a scene is not rendered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SceneError {
    /// The file is broken, too large, or requires what is not supported. All reasons at once.
    #[error("the scene is refused:{}", lines(.0))]
    Refused(Vec<Note>),
    /// The scene has no such camera.
    #[error("camera {asked} was asked for, but the scene has {}", cameras(*.available))]
    NoSuchCamera {
        /// The number asked for, from 0.
        asked: u32,
        /// How many there are.
        available: usize,
    },
    /// A setting of the view is outside its limits.
    #[error("{setting} is {value}; it may be {allowed}")]
    View {
        /// The setting's name.
        setting: &'static str,
        /// What was asked for.
        value: String,
        /// What may be asked for.
        allowed: &'static str,
    },
    /// At this time of the animation, the scene can't be drawn.
    #[error("at {time_s} s: {note}")]
    Frame {
        /// The time, in seconds.
        time_s: f64,
        /// What and where.
        note: Note,
    },
}

fn lines(notes: &[Note]) -> String {
    notes.iter().map(|note| format!("\n  {note}")).collect()
}

fn cameras(count: usize) -> String {
    match count {
        0 => "none".to_owned(),
        1 => "only camera 0".to_owned(),
        _ => format!("only cameras 0 to {}", count - 1),
    }
}

/// Collects problems and warnings while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<Note>,
    warnings: Vec<Note>,
    more_problems: usize,
    more_warnings: usize,
}

impl Findings {
    pub(crate) fn problem(&mut self, note: Note) {
        keep(&mut self.problems, &mut self.more_problems, note);
    }

    pub(crate) fn warn(&mut self, place: impl Into<String>, message: impl Into<String>) {
        let note = Note::new(place, message);
        // What a mesh lacks is found again in each of its shapes.
        if !self.warnings.contains(&note) {
            keep(&mut self.warnings, &mut self.more_warnings, note);
        }
    }

    /// Warns of a place that is written out only if the warning is kept.
    pub(crate) fn warn_at(&mut self, place: &impl fmt::Display, message: &str) {
        if self.warnings.len() + 1 < Report::MOST {
            self.warn(place.to_string(), message);
        } else {
            self.more_warnings += 1;
        }
    }

    /// The value, or `None` and a problem more.
    pub(crate) fn take<T>(&mut self, result: Result<T, Note>) -> Option<T> {
        result.map_err(|note| self.problem(note)).ok()
    }

    /// An error if there was any problem so far.
    pub(crate) fn check(&mut self) -> Result<(), SceneError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(SceneError::Refused(closed(std::mem::take(&mut self.problems), self.more_problems)))
    }

    pub(crate) fn into_report(self) -> Report {
        Report { warnings: closed(self.warnings, self.more_warnings) }
    }
}

fn keep(notes: &mut Vec<Note>, more: &mut usize, note: Note) {
    if notes.len() + 1 < Report::MOST {
        notes.push(note);
    } else {
        *more += 1;
    }
}

fn closed(mut notes: Vec<Note>, more: usize) -> Vec<Note> {
    if more > 0 {
        notes.push(Note::new("…", format!("and {more} more")));
    }
    notes
}
