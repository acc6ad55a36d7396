//! What users say of themselves, as text of today.

use myicq_wire::charset::Charset;
use myicq_wire::{Face, Str};

use crate::error::Misuse;

/// The most bytes of a nick in GB 18030: what the clients of 2003 have room for.
pub const MAX_NICK_LEN: usize = 16;

/// The most bytes of any other field of a profile in GB 18030.
pub const MAX_FIELD_LEN: usize = 255;

macro_rules! profile {
    ($($(#[$doc:meta])* $field:ident: $max:expr,)*) => {
        /// A user's profile. A field that the user does not want to say is empty or 0.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
        pub struct Profile {
            /// The picture.
            pub face: Face,
            /// Years.
            pub age: u8,
            /// 0 not said, 1 male, 2 female.
            pub gender: u8,
            /// The blood group: 0 not said, 1 A, 2 B, 3 O, 4 AB, 5 another.
            pub blood: u8,
            $($(#[$doc])* pub $field: String,)*
        }

        /// A profile whose texts have been checked and are in some charset.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub(crate) struct EncodedProfile {
            face: Face,
            age: u8,
            gender: u8,
            blood: u8,
            $($field: Vec<u8>,)*
        }

        impl Profile {
            pub(crate) fn decode(profile: &myicq_wire::Profile<'_>, charset: Charset) -> Self {
                let myicq_wire::Profile { face, age, gender, blood, .. } = *profile;
                Self { face, age, gender, blood, $($field: charset.decode(&profile.$field).into_owned(),)* }
            }

            pub(crate) fn encode(&self, charset: Charset) -> Result<EncodedProfile, Misuse> {
                let Self { face, age, gender, blood, .. } = *self;
                $(let $field = encode_text(stringify!($field), &self.$field, $max, charset)?;)*
                Ok(EncodedProfile { face, age, gender, blood, $($field,)* })
            }
        }

        impl EncodedProfile {
            pub(crate) fn transcode(&self, from: Charset, to: Charset) -> Self {
                let Self { face, age, gender, blood, .. } = *self;
                Self { face, age, gender, blood, $($field: from.transcode(&self.$field, to).into_owned(),)* }
            }

            pub(crate) fn to_wire(&self) -> myicq_wire::Profile<'_> {
                let Self { face, age, gender, blood, .. } = *self;
                myicq_wire::Profile { face, age, gender, blood, $($field: Str(&self.$field),)* }
            }
        }
    };
}

profile! {
    /// The name that others see.
    nick: MAX_NICK_LEN,
    /// Where the user lives.
    country: MAX_FIELD_LEN,
    /// Where the user lives.
    province: MAX_FIELD_LEN,
    /// Where the user lives.
    city: MAX_FIELD_LEN,
    /// An address for e-mail.
    email: MAX_FIELD_LEN,
    /// Street and number.
    address: MAX_FIELD_LEN,
    /// The postal code.
    zipcode: MAX_FIELD_LEN,
    /// The telephone number.
    tel: MAX_FIELD_LEN,
    /// The name in life.
    name: MAX_FIELD_LEN,
    /// Where the user studied.
    college: MAX_FIELD_LEN,
    /// What the user works as.
    occupation: MAX_FIELD_LEN,
    /// The address of a page.
    homepage: MAX_FIELD_LEN,
    /// Words about oneself.
    intro: MAX_FIELD_LEN,
}

/// A text in a charset; what the charset does not have becomes a question mark.
pub(crate) fn encode_text(field: &'static str, text: &str, max: usize, charset: Charset) -> Result<Vec<u8>, Misuse> {
    if text.contains('\0') {
        return Err(Misuse::Nul(field));
    }
    let bytes = charset.encode(text);
    if !charset.fits(&bytes, max) {
        return Err(Misuse::FieldTooLong { field, len: Charset::Gb18030.encode(text).len(), max });
    }
    Ok(bytes.into_owned())
}
