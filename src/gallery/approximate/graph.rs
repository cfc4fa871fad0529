//! The finished graph: who is whose neighbour, level by level, and its file.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::fs::write_atomic;

/// No neighbour: the rest of a list is empty.
pub const NONE: u32 = u32::MAX;

/// A hierarchical graph over the rows 0..n. Level 0 holds every row, each further level about a sixteenth of the one below.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// From the ground up.
    pub levels: Vec<Level>,
}

/// One level. Places count within the level; on the ground a place is a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Level {
    /// Links of a place, at most.
    pub degree: usize,
    /// `[places, degree]` places, the list of each ended by [`NONE`] where it is shorter.
    pub links: Vec<u32>,
    /// The row of each place; empty on the ground.
    pub rows: Vec<u32>,
    /// The place of each in the level below; empty on the ground.
    pub below: Vec<u32>,
}

impl Level {
    /// Places.
    pub fn len(&self) -> usize {
        self.links.len().checked_div(self.degree).unwrap_or(0)
    }

    /// The links of a place.
    #[inline]
    pub fn links(&self, place: u32) -> &[u32] {
        let list = &self.links[place as usize * self.degree..][..self.degree];
        &list[..list.iter().position(|&link| link == NONE).unwrap_or(self.degree)]
    }

    /// The row of a place.
    #[inline]
    pub fn row(&self, place: u32) -> u32 {
        if self.rows.is_empty() { place } else { self.rows[place as usize] }
    }
}

const MAGIC: &[u8; 8] = b"RAINGRPH";
const VERSION: u32 = 1;

impl Graph {
    /// Rows in it.
    pub fn rows(&self) -> usize {
        self.levels.first().map_or(0, Level::len)
    }

    /// Writes it to a file, behind `about`, whole or not at all.
    pub fn write(&self, path: &Path, about: &[u8]) -> Result<()> {
        let mut numbers = vec![VERSION, about.len() as u32, self.levels.len() as u32];
        for level in &self.levels {
            numbers.extend([level.degree as u32, level.links.len() as u32, level.rows.len() as u32]);
        }
        let mut sum = 0;
        write_atomic(path, |file| {
            let mut put = |bytes: &[u8]| {
                sum = crc32c::crc32c_append(sum, bytes);
                file.write_all(bytes)
            };
            put(MAGIC)?;
            numbers.iter().try_for_each(|n| put(&n.to_le_bytes()))?;
            put(about)?;
            let mut buffer = Vec::new();
            for list in self.levels.iter().flat_map(|level| [&level.links, &level.rows, &level.below]) {
                for chunk in list.chunks(1 << 16) {
                    buffer.clear();
                    chunk.iter().for_each(|n| buffer.extend_from_slice(&n.to_le_bytes()));
                    put(&buffer)?;
                }
            }
            file.write_all(&sum.to_le_bytes())
        })
    }

    /// Reads a file back, with what stands before it.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::File`] where it is damaged or of a later version: it is then to be
    /// made again.
    pub fn read(path: &Path) -> Result<(Self, Vec<u8>)> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&bytes).ok_or_else(|| {
            Error::file(path, "this approximate index is damaged, or was made by a later Rain", "Build it again")
        })
    }

    fn parse(bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        let (content, sum) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*sum) != crc32c::crc32c(content) {
            return None;
        }
        let mut rest = content.strip_prefix(&MAGIC[..])?;
        let mut number = || {
            let (head, tail) = rest.split_first_chunk::<4>()?;
            rest = tail;
            Some(u32::from_le_bytes(*head))
        };
        let [version, about, levels] = [number()?, number()?, number()?];
        if version != VERSION || levels > 64 {
            return None;
        }
        let mut sizes = Vec::new();
        for _ in 0..levels {
            sizes.push([number()? as usize, number()? as usize, number()? as usize]);
        }
        let (about, tail) = rest.split_at_checked(about as usize)?;
        rest = tail;
        let mut list = |length: usize| {
            let (head, tail) = rest.split_at_checked(length.checked_mul(4)?)?;
            rest = tail;
            Some(head.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<u32>>())
        };
        let mut graph = Self::default();
        for [degree, links, rows] in sizes {
            let level = Level { degree, links: list(links)?, rows: list(rows)?, below: list(rows)? };
            let below = graph.levels.last().map_or(0, Level::len);
            let inside = |list: &[u32], most: usize| list.iter().all(|&n| (n as usize) < most);
            let ground = graph.levels.is_empty();
            let fits = degree > 0
                && links % degree == 0
                && level.links.iter().all(|&n| n == NONE || (n as usize) < level.len())
                && (if ground { rows == 0 } else { rows == level.len() && inside(&level.below, below) })
                && inside(&level.rows, graph.rows());
            if !fits {
                return None;
            }
            graph.levels.push(level);
        }
        Some((graph, about.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph() -> Graph {
        let ground = Level { degree: 2, links: vec![1, 2, 0, NONE, 0, 1], ..Level::default() };
        let top = Level { degree: 1, links: vec![1, NONE], rows: vec![0, 2], below: vec![0, 2] };
        Graph { levels: vec![ground, top] }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g");
        graph().write(&path, b"about").unwrap();
        assert_eq!(Graph::read(&path).unwrap(), (graph(), b"about".to_vec()));
        assert_eq!(graph().levels[0].links(1), [0]);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Graph::parse(&damaged).is_none() && Graph::parse(&bytes[..at]).is_none());
        }
    }

    proptest! {
        #[test]
        fn links_that_lead_nowhere_are_refused(at in 8usize..90, value in prop_oneof![0u32..5, any::<u32>()]) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("g");
            graph().write(&path, b"about").unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let end = bytes.len() - 4;
            let at = at.min(end - 4);
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let sum = crc32c::crc32c(&bytes[..end]);
            bytes[end..].copy_from_slice(&sum.to_le_bytes());
            if let Some((graph, _)) = Graph::parse(&bytes) {
                for level in &graph.levels {
                    (0..level.len() as u32).for_each(|place| level.links(place).iter().for_each(|&l| drop(level.links(l))));
                }
            }
        }
    }
}
