//! Every bound of outgoing connections that is the same for all of them, with its reason.

/// How many names may be looked up at a time. Each look-up takes a thread for as long as the name servers take, which
/// is ten seconds and more where they are silent; the runtime has 512 such threads, and disks need them, too.
pub const LOOKUPS_AT_ONCE: usize = 128;

/// How many rules `allow` and `deny` may have each: all are looked at for each connection.
pub const ADDRESS_RULES: usize = 256;

/// The largest file of certificate authorities, in bytes: all those that browsers trust fit.
pub const AUTHORITIES_BYTES: usize = 512 * 1024;
