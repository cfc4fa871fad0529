//! The compute layer over Candle: every op with a correct gradient.
