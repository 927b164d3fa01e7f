//! Decoded pictures that are kept, up to a number of bytes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Picture;

/// Pictures by index. The first that are met stay, until the room is full.
#[derive(Debug)]
pub(super) struct Cache {
    room: usize,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    pictures: HashMap<usize, Arc<Picture>>,
}

/// What a picture costs besides its pixels: its entry in the table, and what an allocation rounds to.
const OVERHEAD: usize = 160;

impl Cache {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            kept: RwLock::default(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Arc<Picture>> {
        // A panic cannot leave the table half changed, so a poisoned lock is as good as any.
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.pictures.get(&index).cloned()
    }

    /// Keeps the picture if there is room.
    pub(super) fn offer(&self, index: usize, picture: &Arc<Picture>) {
        let bytes = picture.pixels.len() + OVERHEAD;
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes <= self.room && !kept.pictures.contains_key(&index) {
            kept.bytes += bytes;
            kept.pictures.insert(index, Arc::clone(picture));
        }
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.bytes
    }
}
