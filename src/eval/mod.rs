//! CMC, mAP and the protocols that use them.
