//! The tests of the whole workspace stand beside this file; the package exists for them alone.
