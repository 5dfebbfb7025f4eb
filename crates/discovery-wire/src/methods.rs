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

        /// The name servers to ask, in this order, at most 255; otherwise the system's, from `/etc/resolv.conf`. A file that cannot
        /// be read is one without name servers: resolv.conf(5) has the one on this machine asked then.
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
            hook: impl Fn(::std::net::SocketAddr, $crate::Transport) -> ::std::net::SocketAddr
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
        /// asks; at once it is done by `handle().with(|resolver, now| resolver.handle_timeout(now))`.
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

        /// What has been done so far, and what is held now.
        pub fn counters(&self) -> $crate::discovery_core::Counters {
            self.handle.counters()
        }

        /// Ends the driver, and with it all that is under way: whoever waits gets a failure of kind
        /// `Local`, and so does whoever asks later, but for what is known already.
        pub fn close(&self) {
            self.handle.close();
        }

        /// The machine and the clock behind it, for what has no method here.
        pub fn handle(&self) -> &$crate::Handle {
            &self.handle
        }
    };
}
