//! The page of fields is made of the tables. `PINHOLE_BLESS=1` writes it anew.
