//! What a scene may cost before it is refused.

/// Limits on what one file may make the host do. Each is checked before anything is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file, and of what is unpacked of a `.zip`.
    pub file_bytes: usize,
    /// Entries of a `.zip`.
    pub archive_entries: usize,
    /// Bytes of its JSON.
    pub json_bytes: usize,
    /// Bytes of the environment map's file.
    pub environment_bytes: usize,
    /// Nodes of the scene.
    pub nodes: usize,
    /// Nodes on the way from a root to a leaf.
    pub depth: usize,
    /// Vertices of all meshes, before and after corners are split.
    pub vertices: usize,
    /// Triangles of all meshes, each counted once however often it is placed.
    pub triangles: usize,
    /// Meshes placed in the world.
    pub instances: usize,
    /// Vertices of all instances: what a frame's bounds cost.
    pub placed_vertices: usize,
    /// Lights, each emissive triangle being one.
    pub lights: usize,
    /// Texels of all pictures and the environment.
    pub texels: usize,
    /// Longest side of a picture.
    pub picture_side: u32,
    /// Values of all animations.
    pub animation_values: usize,
    /// Elements of all sparse accessors.
    pub sparse_elements: usize,
    /// Numbers kept of meshes that morph targets or skins move: attributes, targets, influences.
    pub deformed_values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 30,
            archive_entries: 1 << 16,
            json_bytes: 64 << 20,
            environment_bytes: 512 << 20,
            nodes: 1 << 20,
            depth: 1 << 10,
            vertices: 1 << 26,
            triangles: 1 << 25,
            instances: 1 << 20,
            placed_vertices: 1 << 28,
            lights: 1 << 22,
            texels: 1 << 27,
            picture_side: 1 << 14,
            animation_values: 1 << 26,
            sparse_elements: 1 << 26,
            deformed_values: 1 << 26,
        }
    }
}

/// `what` as a sentence if it is more than `most`.
pub(crate) fn exceeds(what: &str, count: usize, most: usize) -> Option<String> {
    (count > most).then(|| format!("{count} {what}; at most {most} are accepted"))
}
