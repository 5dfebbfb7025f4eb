//! Scripted worlds in virtual time, the reference model and the explorer for discovery-core.
