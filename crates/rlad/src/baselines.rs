//! The systems that the paper compares with, and the classic detectors that a user would try first.

mod windows;
