//! What a user says of himself (docs/protocol.md, "Values").

use crate::field::{Str, record};
use crate::ids::Face;

record! {
    /// A user's profile, in the order of the wire.
    #[derive(Default)]
    Profile<'a> {
        /// The picture.
        face: Face,
        /// The name that others see; up to 16 bytes from the clients of 2003.
        nick: Str<'a>,
        /// Years.
        age: u8,
        /// 0 not said, 1 male, 2 female.
        gender: u8,
        /// Where the user lives.
        country: Str<'a>,
        /// Where the user lives.
        province: Str<'a>,
        /// Where the user lives.
        city: Str<'a>,
        /// An address for e-mail.
        email: Str<'a>,
        /// Street and number.
        address: Str<'a>,
        /// The postal code.
        zipcode: Str<'a>,
        /// The telephone number.
        tel: Str<'a>,
        /// The name in life.
        name: Str<'a>,
        /// The blood group: 0 not said, 1 A, 2 B, 3 O, 4 AB, 5 another.
        blood: u8,
        /// Where the user studied.
        college: Str<'a>,
        /// What the user works as.
        occupation: Str<'a>,
        /// The address of a page.
        homepage: Str<'a>,
        /// Words about oneself.
        intro: Str<'a>,
    }
}
