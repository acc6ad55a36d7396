//! How each type of field is read from a body and written to one. Bodies are made of these and nothing else.

use core::fmt;
use core::ops::Deref;

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::ids::*;
use crate::layout::{FieldLayout, Layout};
use crate::reader::Reader;
use crate::writer::Writer;

/// A field of a body: the one place that knows how its type lies on the wire.
pub trait Field<'a>: Sized {
    /// The same as data.
    const LAYOUT: Layout;

    /// Reads the field, called `what` in errors, from the front of what is left.
    ///
    /// # Errors
    /// As the cursor's methods give them.
    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError>;

    /// Appends the field.
    ///
    /// # Errors
    /// As the cursor's methods give them.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError>;
}

/// A field that a list repeats.
pub trait Record<'a>: Field<'a> + Copy {
    /// The fewest bytes it takes, so that a count can be checked before anything is read.
    const MIN_LEN: usize;
}

/// The bytes of a STRING without its NUL, in the charset of the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Str<'a>(pub &'a [u8]);

impl Deref for Str<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl<'a> From<&'a [u8]> for Str<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Shown as text: GB 18030, which ASCII is a part of, unless the bytes are UTF-8.
#[cfg(feature = "serde")]
impl serde::Serialize for Str<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_str(&crate::charset::Charset::Gb18030.decode(self.0)),
        }
    }
}

/// A password: a STRING that is never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(pub &'a [u8]);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Secret<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

/// What is left of a body, uninterpreted, with the padding if it was enciphered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Opaque<'a>(pub &'a [u8]);

impl<'a> Field<'a> for Opaque<'a> {
    const LAYOUT: Layout = Layout::Rest;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        reader.take(reader.rest().len(), what).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.bytes(self.0)
    }
}

impl<'a> Field<'a> for Str<'a> {
    const LAYOUT: Layout = Layout::Text;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        reader.string(what).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.string(self.0)
    }
}

impl<'a> Field<'a> for Secret<'a> {
    const LAYOUT: Layout = Layout::Secret;

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        reader.string(what).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.string(self.0)
    }
}

/// Fields that came with release 1.0 stand at the end of a body and may be missing. An enciphered body may have the
/// padding of its last block in their place.
macro_rules! optional_at_the_end {
    ($($field:ty),*) => {$(
        impl<'a> Field<'a> for Option<$field> {
            const LAYOUT: Layout = Layout::Optional(&<$field as Field<'_>>::LAYOUT);

            fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
                if reader.only_padding_left() { Ok(None) } else { Field::read(reader, what).map(Some) }
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                self.as_ref().map_or(Ok(()), |field| field.write(writer))
            }
        }
    )*};
}
optional_at_the_end!(Str<'a>, u64);

/// The password of MODIFY_USER: a BYTE that says whether one follows, then that one.
impl<'a> Field<'a> for Option<Secret<'a>> {
    const LAYOUT: Layout = Layout::Fields(&[
        FieldLayout::always("is_modify_passwd", u8::LAYOUT),
        FieldLayout::when("password", Secret::LAYOUT, "is_modify_passwd", &[1]),
    ]);

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        if reader.byte("is_modify_passwd")? == 1 { Field::read(reader, what).map(Some) } else { Ok(None) }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.byte(u8::from(self.is_some()))?;
        self.as_ref().map_or(Ok(()), |password| password.write(writer))
    }
}

macro_rules! integers {
    ($($int:ident: $method:ident, $len:literal;)*) => {$(
        impl<'a> Field<'a> for $int {
            const LAYOUT: Layout = Layout::Number { len: $len, values: &[] };

            fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
                reader.$method(what)
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                writer.$method(*self)
            }
        }

        impl Record<'_> for $int {
            const MIN_LEN: usize = $len;
        }
    )*};
}
integers! { u8: byte, 1; u16: word, 2; u32: dword, 4; u64: qword, 8; }

macro_rules! numbers {
    ($($name:ident: $layout:expr;)*) => {$(
        impl<'a> Field<'a> for $name {
            const LAYOUT: Layout = $layout;

            fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
                Field::read(reader, what).map(Self)
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                self.0.write(writer)
            }
        }
    )*};
}
numbers! {
    Uin: Layout::Number { len: 4, values: &[] };
    SessionId: Layout::Number { len: 4, values: &[] };
    Status: Layout::Number { len: 4, values: Status::NAMED };
    Face: Layout::Number { len: 1, values: &[] };
    Authorization: Layout::Number { len: 1, values: Authorization::NAMED };
    LoginError: Layout::Number { len: 1, values: LoginError::NAMED };
    MessageKind: Layout::Number { len: 1, values: MessageKind::NAMED };
    GroupError: Layout::Number { len: 2, values: GroupError::NAMED };
    RefusalReason: Layout::Number { len: 1, values: RefusalReason::NAMED };
    GroupId: Layout::Number { len: 4, values: &[] };
    Ipv4: Layout::Ipv4;
}

impl Record<'_> for Uin {
    const MIN_LEN: usize = 4;
}

/// A WORD that counts, and that many records: seen in a datagram without being copied, or about to be written.
#[derive(Clone, Copy)]
pub struct List<'a, T>(Records<'a, T>);

#[derive(Clone, Copy)]
enum Records<'a, T> {
    /// As they came. Each has been read once, so reading them again cannot fail.
    Wire {
        count: u16,
        bytes: &'a [u8],
    },
    Items(&'a [T]),
}

impl<'a, T: Record<'a>> List<'a, T> {
    /// The list of these items.
    pub const fn new(items: &'a [T]) -> Self {
        Self(Records::Items(items))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self.0 {
            Records::Wire { count, .. } => usize::from(count),
            Records::Items(items) => items.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let (bytes, items) = match self.0 {
            Records::Wire { bytes, .. } => (bytes, [].as_slice()),
            Records::Items(items) => ([].as_slice(), items),
        };
        let mut reader = Reader::new(bytes);
        let wire =
            core::iter::from_fn(
                move || {
                    if reader.rest().is_empty() { None } else { T::read(&mut reader, "record").ok() }
                },
            );
        wire.chain(items.iter().copied())
    }
}

impl<'a, T: Record<'a>> Field<'a> for List<'a, T> {
    const LAYOUT: Layout = Layout::List(&T::LAYOUT);

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        let count = reader.word(what)?;
        if usize::from(count).saturating_mul(T::MIN_LEN) > reader.rest().len() {
            return Err(start.error(DecodeErrorKind::Count, what));
        }
        let mut records = *reader;
        for _ in 0..count {
            T::read(&mut records, what)?;
        }
        let bytes = reader.take(records.at() - reader.at(), what)?;
        Ok(Self(Records::Wire { count, bytes }))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.word(u16::try_from(self.len()).map_err(|_| EncodeError::TooLong)?)?;
        self.iter().try_for_each(|record| record.write(writer))
    }
}

impl<'a, T: Record<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Record<'a> + Eq> Eq for List<'a, T> {}

impl<'a, T: Record<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(feature = "serde")]
impl<'a, T: Record<'a> + serde::Serialize> serde::Serialize for List<'a, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary_impls {
    use arbitrary::{Arbitrary, Result, Unstructured};

    use super::{List, Opaque, Reader, Record, Records, Secret, Str};

    /// Bytes that a STRING can hold.
    fn string<'a>(source: &mut Unstructured<'a>) -> Result<&'a [u8]> {
        let bytes = <&[u8]>::arbitrary(source)?;
        Ok(bytes.split(|&byte| byte == 0).next().unwrap_or_default())
    }

    impl<'a> Arbitrary<'a> for Str<'a> {
        fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
            string(source).map(Self)
        }
    }

    impl<'a> Arbitrary<'a> for Secret<'a> {
        fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
            string(source).map(Self)
        }
    }

    impl<'a> Arbitrary<'a> for Opaque<'a> {
        fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
            Arbitrary::arbitrary(source).map(Self)
        }
    }

    /// As many records as the bytes happen to hold.
    impl<'a, T: Record<'a>> Arbitrary<'a> for List<'a, T> {
        fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
            let bytes = <&[u8]>::arbitrary(source)?;
            let mut reader = Reader::new(bytes);
            let (mut count, mut end) = (0, 0);
            while count < 1_000 && T::read(&mut reader, "record").is_ok() {
                (count, end) = (count + 1, reader.at());
            }
            Ok(Self(Records::Wire { count, bytes: bytes.get(..end).unwrap_or_default() }))
        }
    }
}

/// Declares a body or a record: its fields in the order in which they lie on the wire.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl<'a> $crate::field::Field<'a> for $name $(<$life>)? {
            const LAYOUT: $crate::layout::Layout = $crate::layout::Layout::Fields(&[
                $($crate::layout::FieldLayout::always(
                    stringify!($field),
                    <$type as $crate::field::Field<'_>>::LAYOUT,
                ),)*
            ]);

            fn read(
                reader: &mut $crate::reader::Reader<'a>,
                _what: &'static str,
            ) -> Result<Self, $crate::error::DecodeError> {
                Ok(Self { $($field: $crate::field::Field::read(reader, stringify!($field))?,)* })
            }

            fn write(&self, writer: &mut $crate::writer::Writer<'_>) -> Result<(), $crate::error::EncodeError> {
                $(self.$field.write(writer)?;)*
                Ok(())
            }
        }
    };
}
pub(crate) use record;

/// Declares the bodies of one direction: a variant per command, named as the command is.
macro_rules! bodies {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $(($body:ty))?,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        #[non_exhaustive]
        pub enum $name<'a> {
            $($(#[$variant_doc])* $variant $(($body))?,)*
        }

        impl<'a> $name<'a> {
            /// The command whose body this is.
            pub const fn command(&self) -> $crate::command::Command {
                match self {
                    $(bodies!(@pattern $variant $($body)?) => $crate::command::Command::$variant,)*
                }
            }

            /// How the plain body of a command lies on the wire; `None` for one that is not sent in this direction.
            pub const fn layout(command: $crate::command::Command) -> Option<$crate::layout::Layout> {
                match command {
                    $($crate::command::Command::$variant => Some(bodies!(@layout $($body)?)),)*
                    #[allow(unreachable_patterns, reason = "only a direction that has every command lacks this arm")]
                    _ => None,
                }
            }

            /// Reads the fields, and leaves what follows them to the caller.
            fn read(
                command: $crate::command::Command,
                reader: &mut $crate::reader::Reader<'a>,
            ) -> Result<Self, $crate::error::DecodeError> {
                match command {
                    $($crate::command::Command::$variant => Ok(Self::$variant $((<$body>::read(reader, command.name())?))?),)*
                    #[allow(unreachable_patterns, reason = "only a direction that has every command lacks this arm")]
                    _ => Err(reader.error($crate::error::DecodeErrorKind::UnknownCommand, command.name())),
                }
            }

            /// Writes the plain body.
            ///
            /// # Errors
            /// [`EncodeError`](crate::EncodeError): the buffer is too small, or a text cannot be a STRING.
            pub fn write(&self, writer: &mut $crate::writer::Writer<'_>) -> Result<(), $crate::error::EncodeError> {
                let _ = &writer;
                match self {
                    $(bodies!(@bind $variant body $($body)?) => bodies!(@write body writer $($body)?),)*
                }
            }
        }
    };
    (@layout $body:ty) => { <$body as $crate::field::Field<'_>>::LAYOUT };
    (@layout) => { $crate::layout::Layout::Fields(&[]) };
    (@pattern $variant:ident $body:ty) => { Self::$variant(_) };
    (@pattern $variant:ident) => { Self::$variant };
    (@bind $variant:ident $name:ident $body:ty) => { Self::$variant($name) };
    (@bind $variant:ident $name:ident) => { Self::$variant };
    (@write $name:ident $writer:ident $body:ty) => { $name.write($writer) };
    (@write $name:ident $writer:ident) => { Ok(()) };
}
pub(crate) use bodies;
