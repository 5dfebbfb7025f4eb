//! Every adapter has the same functions, so that a program changes its runtime by changing one word.
//!
//! Nothing here runs: a difference does not compile.

macro_rules! same_functions {
    ($($adapter:ident)*) => {$(
        /// Uses every public function of the adapter.
        pub fn $adapter(builder: $adapter::Builder) -> Result<(), $adapter::BuildError> {
            let built: ($adapter::Discovery, $adapter::Driver) = $adapter::build(builder)?;
            let _runs = $adapter::run;
            let _spawns: fn($adapter::Builder) -> Result<_, $adapter::BuildError> = $adapter::spawn;
            let _starts: fn() -> Result<$adapter::Discovery, _> = $adapter::with_system_roots;
            let resolve: $adapter::Resolve = built.0.resolve("example.org");
            drop(resolve);
            // The adapter re-exports the crates of its types.
            let _: Option<$adapter::discovery_core::Ticket> = None;
            let _: Option<$adapter::discovery_driver::RequestTask> = None;
            let _: Option<$adapter::discovery_wire::Transport> = None;
            Ok(())
        }
    )*};
}

same_functions!(discovery_tokio discovery_smol discovery_async_std discovery_blocking);
