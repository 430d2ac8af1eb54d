//! The doctor on real hosts: broken ones, of which it must name the one thing that is wrong and nothing else, and whose
//! remedy must mend them when it is applied; and healthy ones, of which it must find nothing.
//!
//! Files are by kind of host: what the pod is granted, sockets, files, loss, machines with other kernels, and the healthy.

mod grants;
mod healthy;
mod hosts;
mod loss;
mod machines;
mod manifest;
mod node;
mod readonly;
mod report;
mod screens;
mod sockets;
mod table;
mod tools;
