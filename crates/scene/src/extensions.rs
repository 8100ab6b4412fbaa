//! Which extensions are understood, and what a scene loses with the others.

use crate::error::{Findings, Note, excerpt};
use serde_json::Value;
use std::fmt;

/// Understood.
const SUPPORTED: [&str; 7] = [
    "EXT_mesh_gpu_instancing",
    "EXT_texture_webp",
    "KHR_lights_punctual",
    "KHR_materials_emissive_strength",
    "KHR_materials_unlit",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
];

/// Not read, but the picture is the same without.
const HARMLESS: [&str; 3] = ["KHR_materials_variants", "KHR_xmp", "KHR_xmp_json_ld"];

/// What the picture lacks. Others are "ignored".
const LOSSES: [(&str, &str); 12] = [
    ("KHR_animation_pointer", "ignored, only nodes move"),
    ("KHR_materials_anisotropy", "ignored, highlights are round"),
    ("KHR_materials_clearcoat", "ignored, the surface has no coat"),
    ("KHR_materials_diffuse_transmission", "ignored, no light passes the surface"),
    ("KHR_materials_dispersion", "ignored"),
    ("KHR_materials_ior", "ignored, the index of refraction is 1.5"),
    ("KHR_materials_iridescence", "ignored, the surface has no thin film"),
    ("KHR_materials_sheen", "ignored, the surface has no sheen"),
    ("KHR_materials_specular", "ignored, the specular reflection is white and whole"),
    ("KHR_materials_transmission", "ignored, the surface is rendered opaque"),
    ("KHR_materials_volume", "ignored, the surface is rendered opaque"),
    ("KHR_texture_basisu", "ignored, the texture's fallback is used"),
];

/// Refuses what the file requires and is not understood.
pub(crate) fn check_required(required: &[String], findings: &mut Findings) {
    for name in required {
        if !SUPPORTED.contains(&name.as_str()) && !HARMLESS.contains(&name.as_str()) {
            let message = format!("the file can't be shown without {name}, which is not supported");
            findings.problem(Note::new("extensionsRequired", message));
        }
    }
}

/// Warns of each extension that is used somewhere and not understood.
pub(crate) fn survey(root: &Value, findings: &mut Findings) {
    visit(root, &Place::Root, findings);
}

/// A place of the JSON, as the way to it from the root. It is written out only where it is told: a file
/// may have a long name over millions of members.
enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => f.write_str(excerpt(name)),
            Self::Member(of, name) => write!(f, "{of}.{}", excerpt(name)),
            Self::Item(of, i) => write!(f, "{of}[{i}]"),
        }
    }
}

/// The reader of JSON bounds its depth, hence this recursion's.
fn visit(value: &Value, place: &Place<'_>, findings: &mut Findings) {
    match value {
        Value::Array(items) => {
            // Arrays of numbers can be long, and hold no objects.
            for (i, item) in items.iter().enumerate().filter(|(_, item)| !item.is_number()) {
                visit(item, &Place::Item(place, i), findings);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let place = Place::Member(place, key);
                match key.as_str() {
                    "extras" => {}
                    "extensions" => survey_extensions(member, &place, findings),
                    _ => visit(member, &place, findings),
                }
            }
        }
        _ => {}
    }
}

fn survey_extensions(extensions: &Value, place: &Place<'_>, findings: &mut Findings) {
    for name in extensions.as_object().into_iter().flat_map(|members| members.keys()) {
        if SUPPORTED.contains(&name.as_str()) || HARMLESS.contains(&name.as_str()) {
            continue;
        }
        let known = LOSSES.iter().find(|(known, _)| known == name);
        let loss = known.map_or("ignored", |(_, loss)| loss);
        findings.warn_at(&Place::Member(place, name), loss);
    }
}
