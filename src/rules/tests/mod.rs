//! What events answer, on constructed ones.

mod documented;
