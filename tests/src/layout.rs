//! A decoder that knows of bodies what `wire::layout` says of them, and nothing else.

use std::collections::BTreeMap;

use myicq_wire::layout::{FieldLayout, Layout};

/// What a layout leaves of a body; `None` where the body is too short for it.
pub fn behind<'a>(layout: &Layout, body: &'a [u8]) -> Option<&'a [u8]> {
    match layout {
        Layout::Number { len, .. } => body.get(*len..),
        Layout::Ipv4 => body.get(4..),
        Layout::Bytes(len) => body.get(*len..),
        Layout::Text | Layout::Secret => {
            let (len, rest) = body.split_first_chunk()?;
            rest.get(usize::from(u16::from_be_bytes(*len))..)
        }
        Layout::Rest => Some(&[]),
        Layout::Fields(fields) => behind_fields(fields, body),
        Layout::Optional(_) if body.is_empty() => Some(body),
        Layout::Optional(of) => behind(of, body),
        Layout::List(of) => {
            let (count, rest) = body.split_first_chunk()?;
            (0..u16::from_be_bytes(*count)).try_fold(rest, |body, _| behind(of, body))
        }
        other => panic!("{other:?} is new here"),
    }
}

fn behind_fields<'a>(fields: &[FieldLayout], mut body: &'a [u8]) -> Option<&'a [u8]> {
    let mut numbers = BTreeMap::new();
    for field in fields {
        let is_there = |only: myicq_wire::layout::Only| only.values.contains(&numbers[only.field]) == only.holds;
        if !field.only.is_none_or(is_there) {
            continue;
        }
        let rest = behind(&field.layout, body)?;
        if let Layout::Number { len: 1..=4, .. } = field.layout {
            let bytes = &body[..body.len() - rest.len()];
            numbers.insert(field.name, bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)));
        }
        body = rest;
    }
    Some(body)
}
