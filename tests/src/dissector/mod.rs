//! The Wireshark dissector that docs/wireshark has: a fixed engine around tables that are made of those of `wire`.

use std::fmt::Write as _;

use myicq_wire::layout::{FieldLayout, Layout};
use myicq_wire::peer::{PeerFile, PeerMessage};
use myicq_wire::{COMMANDS, Capabilities, Reply, Request};

pub mod samples;

/// The whole dissector.
pub fn dissector() -> String {
    include_str!("engine.lua").replace("-- @tables\n", &tables())
}

fn tables() -> String {
    let mut lua = String::from("local CAPABILITIES = {\n");
    for (bit, name) in Capabilities::NAMED {
        writeln!(lua, "    [0x{:02x}] = {},", bit.0, quoted(name)).unwrap();
    }
    lua.push_str("}\n\nlocal COMMANDS = {\n");
    for row in COMMANDS {
        let enciphered = row.request.is_some_and(|request| request.enciphered);
        writeln!(lua, "    [0x{:04x}] = {{ name = {}, enciphered = {enciphered},", row.number, quoted(row.name))
            .unwrap();
        for (direction, layout) in [("request", Request::layout(row.command)), ("reply", Reply::layout(row.command))] {
            if let Some(layout) = layout {
                writeln!(lua, "        {direction} = {},", braced(&body(&layout))).unwrap();
            }
        }
        lua.push_str("    },\n");
    }
    lua.push_str("}\n");
    for (name, packets) in [("PEER_MESSAGES", PeerMessage::LAYOUTS), ("PEER_FILES", PeerFile::LAYOUTS)] {
        writeln!(lua, "\nlocal {name} = {{").unwrap();
        for (number, packet, layout) in packets {
            let parts = braced(&body(layout));
            writeln!(lua, "    [0x{number:04x}] = {{ name = {}, body = {parts} }},", quoted(packet)).unwrap();
        }
        lua.push_str("}\n");
    }
    lua
}

/// The parts of a body. One that is no record has no name of its own.
fn body(layout: &Layout) -> String {
    match layout {
        Layout::Fields(fields) => parts(fields),
        other => part("entries", other),
    }
}

fn parts(fields: &[FieldLayout]) -> String {
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

fn field(field: &FieldLayout) -> String {
    let part = part(field.name, &field.layout);
    let Some(only) = field.only else { return part };
    let values = only.values.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    format!("{}({}, {{ {values} }}, {part})", if only.holds { "when" } else { "unless" }, quoted(only.field))
}

fn part(name: &str, layout: &Layout) -> String {
    let quoted_name = quoted(name);
    match layout {
        Layout::Number { len, values: [] } => format!("number({quoted_name}, {len})"),
        Layout::Number { len, values } => {
            let named = values.iter().map(|(value, name)| format!("[{value}] = {}", quoted(name)));
            format!("number({quoted_name}, {len}, {{ {} }})", named.collect::<Vec<_>>().join(", "))
        }
        Layout::Ipv4 => format!("ipv4({quoted_name})"),
        Layout::Text | Layout::Secret => format!("text({quoted_name})"),
        Layout::Bytes(len) => format!("bytes({quoted_name}, {len})"),
        Layout::Rest => format!("rest({quoted_name})"),
        Layout::Optional(of) => format!("optional({})", part(name, of)),
        Layout::List(of) => format!("list({quoted_name}, {})", part("entry", of)),
        Layout::Fields(fields) => format!("record({quoted_name}, {})", braced(&parts(fields))),
        other => panic!("{other:?} is new here"),
    }
}

fn braced(parts: &str) -> String {
    if parts.is_empty() { String::from("{}") } else { format!("{{ {parts} }}") }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
