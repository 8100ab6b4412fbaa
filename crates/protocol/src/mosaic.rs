//! A frame while it is rendered: where each of its tiles stands.

use crate::{NodeId, TileRect};
use serde::{Deserialize, Serialize};

/// A tile of a frame, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TileView {
    /// Where it lies.
    #[serde(flatten)]
    pub rect: TileRect,
    /// Its units: one for each range of samples. Those that are in none of the next three states are free.
    pub units: u64,
    /// Units that count.
    pub verified: u64,
    /// Units that a node renders now.
    pub leased: u64,
    /// Units whose result is here and not verified yet.
    pub submitted: u64,
    /// Who renders or rendered some of it, in the order of their keys; nobody once its results are gone.
    pub nodes: Vec<NodeId>,
}

/// A frame, tile by tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TilesView {
    /// Pixels across the frame.
    pub width: u32,
    /// Pixels down the frame.
    pub height: u32,
    /// Side of a tile in pixels; those at the right and lower edges may be smaller.
    pub tile: u32,
    /// Ranges that the samples of each tile are cut into.
    pub ranges: u64,
    /// The tiles, row by row.
    pub tiles: Vec<TileView>,
    /// Whether the frame is assembled.
    pub done: bool,
}

impl TilesView {
    /// Most tiles of a frame that are listed.
    pub const MAX_TILES: u64 = 1 << 14;
    /// Most units of a frame that is listed.
    pub const MAX_UNITS: u64 = 1 << 20;
}
