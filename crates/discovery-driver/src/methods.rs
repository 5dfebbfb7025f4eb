//! The methods that are the same in every adapter, written once: an adapter's own types show them as theirs.

/// The settings of a builder, for the `impl` of a struct whose field `setup` is a [`Setup`](crate::Setup).
#[macro_export]
macro_rules! builder_methods {
    () => {
        /// The choices that the specification leaves open.
        pub fn policy(mut self, policy: $crate::discovery_core::Policy) -> Self {
            self.setup.set_policy(policy);
            self
        }

        /// From which draws among SRV records derive; otherwise a random one.
        pub fn seed(mut self, seed: u64) -> Self {
            self.setup.set_seed(seed);
            self
        }

        /// The name servers to ask, in this order, at most 255; otherwise the system's, from `/etc/resolv.conf`, which is read again
        /// when it has changed. A file that cannot be read at the beginning is one without name servers: resolv.conf(5) has the one
        /// on this machine asked then. An address on a link needs its zone (`SocketAddrV6::scope_id`).
        pub fn name_servers(
            mut self,
            servers: impl IntoIterator<Item = ::std::net::SocketAddr>,
        ) -> Self {
            self.setup.set_name_servers(servers);
            self
        }

        /// Where to connect instead of an address, by TCP or UDP: for laboratories, whose servers have neither the addresses nor
        /// the ports of the real ones. Asked for name servers too. What is looked for in the certificate stays the same.
        pub fn connect_to(
            mut self,
            hook: impl Fn(
                ::std::net::SocketAddr,
                $crate::discovery_wire::Transport,
            ) -> ::std::net::SocketAddr
            + Send
            + Sync
            + 'static,
        ) -> Self {
            self.setup.set_connect_to(hook);
            self
        }

        /// Where to fetch a document from instead of the address of its request, by host and port if need be, as
        /// `curl --connect-to` does; [`connect_to`](Self::connect_to) is asked with what this says. The address policy does not
        /// judge it.
        pub fn fetch_from(
            mut self,
            hook: impl Fn(&$crate::discovery_core::HttpGet) -> ::std::net::SocketAddr
            + Send
            + Sync
            + 'static,
        ) -> Self {
            self.setup.set_fetch_from(hook);
            self
        }

        /// Whether to find out which address families have a route, so that one without goes last; yes, unless told otherwise.
        /// It sends nothing.
        pub fn probe_routes(mut self, probe: bool) -> Self {
            self.setup.set_probe_routes(probe);
            self
        }

        /// The clock that lifetimes, patience and deadlines go by, and outcomes are dated by; otherwise the runtime's, which most
        /// often stands still while the machine is suspended. For one that counts this time, too, or one that a simulation moves by
        /// hand. It must never go back, and must not ask the discovery: it is read while the machine is locked.
        ///
        /// Timers stay the runtime's. Where this clock has jumped, what became due is done when the driver's timer rings or somebody
        /// asks; at once it is done by `handle().handle_timeout()`. A jump to more than a second beyond what is due counts as a
        /// pause of the process: timeouts move by it, and lifetimes don't.
        pub fn clock(
            mut self,
            clock: impl Fn() -> ::std::time::Instant + Send + Sync + 'static,
        ) -> Self {
            self.setup.set_clock(clock);
            self
        }
    };
}

/// What a discovery offers beside resolving, for the `impl` of a struct whose field `handle` is a [`Handle`](crate::Handle).
#[macro_export]
macro_rules! discovery_methods {
    () => {
        /// Drops what is remembered of a name: its result, and every fact that it rests on.
        pub fn forget(&self, name: &$crate::discovery_core::ServerName) {
            self.handle.forget(name);
        }

        /// Tells of a place that a name led to: one that fails is handed out behind all others for a while, and where all of a
        /// name's places fail, what is known of it is asked again. See `Resolver::report` of discovery-core.
        pub fn report(
            &self,
            name: &$crate::discovery_core::ServerName,
            place: ::std::net::SocketAddr,
            said: $crate::discovery_core::Feedback,
        ) -> $crate::discovery_core::Disposition {
            self.handle.report(name, place, said)
        }

        /// What a name would be answered with from memory, and why; or which questions are missing for that. Asks nothing.
        pub fn explain(
            &self,
            name: &$crate::discovery_core::ServerName,
        ) -> $crate::discovery_core::FromMemory {
            self.handle.explain(name)
        }

        /// The names that are known, and what of them. Asks nothing; nobody else is answered meanwhile, a few microseconds a name.
        pub fn table(&self) -> Vec<$crate::discovery_core::Row> {
            self.handle.table()
        }

        /// What has been learnt since, a page at a time: for a file that the next process begins with, or for others who share. See
        /// `Resolver::export_since` of discovery-core.
        pub fn export_since(
            &self,
            cursor: $crate::discovery_core::Cursor,
        ) -> $crate::discovery_core::Export {
            let wall = ::std::time::SystemTime::now();
            self.handle
                .export_since(cursor, $crate::discovery_core::UnixMillis::from_system_time(wall))
        }

        /// Takes in what another process has learnt, or one before this. See `Resolver::teach` of discovery-core.
        pub fn teach(
            &self,
            export: $crate::discovery_core::Export,
        ) -> $crate::discovery_core::Taught {
            let wall = ::std::time::SystemTime::now();
            self.handle.teach(export, $crate::discovery_core::UnixMillis::from_system_time(wall))
        }

        /// Asks these name servers from now on, in this order, at most 255, whatever was configured before: `resolv.conf` is not
        /// read any more. Requests that are under way stay with the server that they were sent to.
        pub fn set_name_servers(&self, servers: impl IntoIterator<Item = ::std::net::SocketAddr>) {
            self.handle.set_name_servers(servers);
        }

        /// What has been done so far, and what is held now.
        pub fn counters(&self) -> $crate::discovery_core::Counters {
            self.handle.counters()
        }

        /// Ends the driver, and with it all that is under way: whoever waits gets a failure of kind
        /// `Local`, and so does whoever asks later, but for what is known already.
        pub fn close(&self) {
            self.handle.close();
        }

        /// The callers' side of the machine behind it, and its clock, for what has no method here.
        pub fn handle(&self) -> &$crate::Handle {
            &self.handle
        }
    };
}
