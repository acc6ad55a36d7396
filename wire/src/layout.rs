//! How bodies lie on the wire, as data: for whoever makes a decoder in another language, or a table for people.
//!
//! It comes from the same declarations as the codec. [`Request::layout`](crate::Request::layout) and
//! [`Reply::layout`](crate::Reply::layout) have that of each command.

/// How a field lies on the wire. All numbers are big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Layout {
    /// A number.
    Number {
        /// Its bytes: 1, 2, 4 or 8.
        len: usize,
        /// Those of its values that have a name.
        values: &'static [(u32, &'static str)],
    },
    /// An IPv4 address, four bytes; 0 for none.
    Ipv4,
    /// So many bytes that are no number.
    Bytes(usize),
    /// A STRING: WORD length with the NUL, bytes, NUL.
    Text,
    /// A STRING that is a password.
    Secret,
    /// What is left of the body.
    Rest,
    /// Fields, one behind the other.
    Fields(&'static [FieldLayout]),
    /// A field that may be missing at the end of a body.
    Optional(&'static Layout),
    /// A WORD that counts, and that many of these.
    List(&'static Layout),
}

/// A field of a body or of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldLayout {
    /// Its name, as in the types of this crate.
    pub name: &'static str,
    /// How it lies.
    pub layout: Layout,
    /// When it is there at all; always, where this is `None`.
    pub only: Option<Only>,
}

/// A condition on a number further in front in the same body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Only {
    /// The name of the number.
    pub field: &'static str,
    /// Some of its values.
    pub values: &'static [u32],
    /// Whether the condition holds for these values; otherwise for all others.
    pub holds: bool,
}

impl FieldLayout {
    pub(crate) const fn always(name: &'static str, layout: Layout) -> Self {
        Self { name, layout, only: None }
    }

    /// There when the number `field` has one of these values.
    pub(crate) const fn when(name: &'static str, layout: Layout, field: &'static str, values: &'static [u32]) -> Self {
        Self { name, layout, only: Some(Only { field, values, holds: true }) }
    }

    /// There unless the number `field` has one of these values.
    pub(crate) const fn unless(
        name: &'static str,
        layout: Layout,
        field: &'static str,
        values: &'static [u32],
    ) -> Self {
        Self { name, layout, only: Some(Only { field, values, holds: false }) }
    }
}
