//! What a new datagram socket is like.
#![allow(clippy::unwrap_used, clippy::disallowed_types, reason = "tests")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use super::*;

/// Somebody who listens, by each family that this machine has.
fn listeners() -> Vec<(UdpSocket, SocketAddr)> {
    let places = [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
    let bound = places.into_iter().filter_map(|place: SocketAddr| UdpSocket::bind(place).ok());
    bound
        .map(|listener| {
            let place = listener.local_addr().unwrap();
            (listener, place)
        })
        .collect()
}

#[test]
fn a_port_tells_nothing_of_the_next() {
    for (_listener, address) in listeners() {
        let sockets: Vec<_> = (0..40).map(|_| connected(address).unwrap()).collect();
        let ports: Vec<i32> =
            sockets.iter().map(|socket| socket.local_addr().unwrap().port().into()).collect();
        let steps = ports.iter().zip(ports.iter().skip(1)).map(|(port, next)| next - port);
        let steps: BTreeSet<i32> = steps.collect();
        // Of 39 steps between 28,000 random ports hardly two are the same; counted up there would be one or two in all.
        assert!(steps.len() > 30, "{ports:?}");
    }
}

#[test]
fn nobody_else_is_heard_and_nobody_waits() {
    for (listener, address) in listeners() {
        let socket = connected(address).unwrap();
        let mine = socket.local_addr().unwrap();
        assert_eq!(socket.peer_addr().unwrap(), address);
        let stranger = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).unwrap();
        stranger.send_to(b"stranger", mine).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(socket.recv(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        listener.send_to(b"server", mine).unwrap();
        assert_eq!(socket.recv(&mut buffer).unwrap(), 6);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn having_no_port_left_is_not_tried_again_at_once() {
    assert_eq!(out_of_ports(io::ErrorKind::WouldBlock.into()).kind(), io::ErrorKind::AddrInUse);
    let other = io::ErrorKind::NetworkUnreachable;
    assert_eq!(out_of_ports(other.into()).kind(), other);
}
