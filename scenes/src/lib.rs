//! Scenes made by code: what every renderer of the network must agree on, what has a known
//! answer, and a short film worth looking at.
//!
//! It does not render and knows no renderer: a scene is the bytes of a `.glb`, perhaps of an
//! `.hdr`, and the settings that go with them.
//!
//! Contract: the same bytes on every machine and every day. Maths is `libm`'s in doubles, the JSON
//! is written from structs in a fixed order, and `golden/scenes.txt` holds the hash of every file.
//!
//! Reading order: [`Scene`] → [`conformance`](conformance()) → [`known_answers`] →
//! [`sample_animation`]; below them [`model`] (what a scene consists of), [`shapes`], [`picture`],
//! [`environment`], and `glb`, which writes the file.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod environment;
mod glb;
pub mod golden;
pub mod known;
pub mod maths;
pub mod model;
pub mod mosaic;
pub mod picture;
pub mod shapes;

pub use conformance::conformance;
pub use known::{Agreement, KnownAnswer, known_answers};
pub use mosaic::{Sample, sample_animation};

use model::Model;
use tessera_protocol::settings::Background;

/// One picture to render: the files, the settings, and what it is for.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Lower-case words and digits joined by hyphens; no two scenes share one.
    pub name: &'static str,
    /// What the scene proves.
    pub note: &'static str,
    /// The scene.
    pub glb: Vec<u8>,
    /// A Radiance `.hdr` beside it.
    pub environment: Option<Vec<u8>>,
    /// Multiplies the map's radiance.
    pub environment_strength: f32,
    /// Turns the map about +Y, in degrees.
    pub environment_rotation_deg: f32,
    /// What the camera sees where it sees nothing.
    pub background: Background,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Samples of each pixel.
    pub spp: u32,
    /// Bounces, not counting the camera's edge.
    pub max_bounces: u32,
    /// The moment shown, in seconds.
    pub time_s: f64,
}

impl Scene {
    /// A small picture of `model` without surroundings.
    fn new(name: &'static str, note: &'static str, model: &Model) -> Self {
        Self {
            name,
            note,
            glb: model.to_glb(),
            environment: None,
            environment_strength: 1.0,
            environment_rotation_deg: 0.0,
            background: Background::Environment,
            width: 48,
            height: 48,
            spp: 4,
            max_bounces: 4,
            time_s: 0.0,
        }
    }

    /// The same under a sky.
    fn under(self, sky: Vec<u8>) -> Self {
        Self { environment: Some(sky), ..self }
    }
}
