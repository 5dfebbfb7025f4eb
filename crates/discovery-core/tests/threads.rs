//! All public types are `Send` and `Sync`, as multi-threaded runtimes require.

use discovery_core as core;

const fn is_send_and_sync<T: Send + Sync>() {}

const _: () = {
    is_send_and_sync::<core::Resolver>();
    is_send_and_sync::<core::Resolution>();
    is_send_and_sync::<core::Config>();
    is_send_and_sync::<core::Policy>();
    is_send_and_sync::<core::Event>();
    is_send_and_sync::<core::Answer>();
    is_send_and_sync::<core::Outcome>();
    is_send_and_sync::<core::Route>();
    is_send_and_sync::<core::Fact>();
    is_send_and_sync::<core::Question>();
    is_send_and_sync::<core::Export>();
    is_send_and_sync::<core::Counters>();
    is_send_and_sync::<core::CacheEntry>();
    is_send_and_sync::<core::NameServer>();
};
