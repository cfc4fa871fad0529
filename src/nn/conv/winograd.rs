//! 3x3 convolutions at stride 1 by Winograd's F(4x4, 3x3): a tile of 4 x 4 outputs takes 36 multiplications a channel where
//! the definition takes 144.
//!
//! y = A' [ (G w G') * (B' d B) ] A, with d the 6 x 6 patch of x under a tile. The product in the middle is 36 matrix
//! products over the channels; what goes in and comes out is turned so that neighbouring tiles lie side by side. The input
//! gradient is such a convolution too, of dy with the kernels turned round; the weight gradient is the same three steps in the
//! opposite order, dw = G' [ sum over tiles of (A dy A') * (B' d B) ] G. The rounding is a few times that of the definition.

mod forward;
mod gradient;
mod kernels;
mod lines;

use candle_core::Result;

use super::Shape;
use super::gather::Padded;

pub use self::forward::{forward, once};
pub use self::gradient::gradient;
pub use self::kernels::Kernels;

/// Products a tile and a channel.
const POINTS: usize = 36;
/// Side of a tile of outputs.
const TILE: usize = 4;

/// From this many channels on, on both sides, the detour pays.
pub const MANY: usize = 32;
/// Tiles that outweigh the turning of weights, where those are used once.
const ENOUGH: usize = 64;

/// Whether the detour pays for weights that are used once.
pub fn pays(shape: &Shape) -> bool {
    shape.kernel == 3
        && shape.stride == 1
        && shape.padding == 1
        && shape.outputs.min(shape.inputs) >= MANY
        && Tiles::new(shape).count >= ENOUGH
}

/// The tiles of a batch, numbered image by image, row by row.
#[derive(Clone, Copy)]
struct Tiles {
    down: usize,
    across: usize,
    count: usize,
}

impl Tiles {
    fn new(shape: &Shape) -> Self {
        let (down, across) = (shape.height.div_ceil(TILE), shape.width.div_ceil(TILE));
        Self { down, across, count: shape.batch * down * across }
    }

    /// Image, row and column of a tile; numbers past the end are the last tile.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let tile = tile.min(self.count - 1);
        let (row, column) = (tile / self.across, tile % self.across);
        (row / self.down, TILE * (row % self.down), TILE * column)
    }

    /// `x [b,channels,h,w]` with a line of zeros above and left, and as many below and right as its patches reach.
    fn padded<'a>(&self, x: &'a [f32], shape: &Shape, channels: usize) -> Result<Padded<'a>> {
        let [bottom, right] = [(shape.height, self.down), (shape.width, self.across)].map(|(n, t)| TILE * t + 1 - n);
        Padded::new(x, [shape.batch, channels, shape.height, shape.width], [1, bottom, 1, right], 1)
    }
}
