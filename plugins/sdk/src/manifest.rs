//! The manifest's JSON, made while the plugin is compiled, so that it lies in the library file as plain bytes.
//!
//! Only [`export_component`](crate::export_component) needs this.

use crate::Component;

/// The oldest message version that this SDK speaks.
pub(crate) const OLDEST: (u16, u16) = (1, 0);
/// The newest.
pub(crate) const API: (u16, u16) = backout_protocol::abi::API;

/// How many bytes [`json`] will have.
pub const fn len<C: Component>(version: &str) -> usize {
    write::<C, 0>(version).1
}

/// The manifest of `C` as JSON. `N` is what [`len`] says.
pub const fn json<C: Component, const N: usize>(version: &str) -> [u8; N] {
    write::<C, N>(version).0
}

/// Writes as much as fits and counts the rest, so that the same code measures and writes.
const fn write<C: Component, const N: usize>(version: &str) -> ([u8; N], usize) {
    let mut out = Out { bytes: [0; N], len: 0 };
    out = out.raw(b"{\"id\":\"").escaped(C::ID.as_bytes());
    out = out.raw(b"\",\"version\":\"").escaped(version.as_bytes());
    out = out.raw(b"\",\"api\":[");
    out = out.pair(OLDEST).raw(b",").pair(API);
    out = out.raw(b"],\"about\":\"").escaped(C::ABOUT.as_bytes()).raw(b"\"}");
    (out.bytes, out.len)
}

struct Out<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Out<N> {
    const fn byte(mut self, byte: u8) -> Self {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
        self
    }

    const fn raw(mut self, text: &[u8]) -> Self {
        let mut i = 0;
        while i < text.len() {
            self = self.byte(text[i]);
            i += 1;
        }
        self
    }

    const fn escaped(mut self, text: &[u8]) -> Self {
        let mut i = 0;
        while i < text.len() {
            let byte = text[i];
            if byte == b'"' || byte == b'\\' {
                self = self.byte(b'\\').byte(byte);
            } else if byte < 0x20 {
                self = self.raw(b"\\u00").byte(HEX[(byte >> 4) as usize]).byte(HEX[(byte & 15) as usize]);
            } else {
                self = self.byte(byte);
            }
            i += 1;
        }
        self
    }

    const fn pair(self, (major, minor): (u16, u16)) -> Self {
        self.raw(b"[").number(major).raw(b",").number(minor).raw(b"]")
    }

    const fn number(self, number: u16) -> Self {
        let tail = b'0' + (number % 10) as u8;
        if number >= 10 { self.number(number / 10).byte(tail) } else { self.byte(tail) }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ask, Machine};
    use backout_protocol::message::{Failure, Manifest, Proposal};

    #[derive(Default)]
    struct Odd;
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Config {}
    impl Component for Odd {
        const ID: &'static str = "odd";
        const ABOUT: &'static str = "Says \"so\\\" in 日本語,\nand again.";
        type Config = Config;
        fn plan(&self, _: &Ask<Config>, _: &Machine) -> Result<Proposal, Failure> {
            Ok(Proposal::default())
        }
    }

    #[test]
    fn the_manifest_in_the_library_is_what_the_component_says() {
        const LEN: usize = len::<Odd>("1.20.300");
        const JSON: [u8; LEN] = json::<Odd, LEN>("1.20.300");
        let manifest: Manifest = serde_json::from_slice(&JSON).unwrap();
        assert_eq!((manifest.id.as_str(), manifest.version.as_str()), (Odd::ID, "1.20.300"));
        assert_eq!((manifest.about.as_str(), manifest.api), (Odd::ABOUT, (OLDEST, API)));
    }
}
