//! The deeds on other kernels, in virtual machines.
