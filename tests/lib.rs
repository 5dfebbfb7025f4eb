//! What the test binaries of this project share.
