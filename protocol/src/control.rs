//! The messages of the control socket, after the handshake.

/// The largest packet on the control socket.
pub const PACKET_BYTES: usize = 64 << 10;
