//! The types of groups as a setting.

use super::form::Form;

/// Types of groups at most: all are named in one datagram.
pub const GROUP_TYPES_MAX: usize = 16;

/// Bytes of the name of a type of groups, and of its name for people.
const NAME_MAX: usize = 32;

/// A type of groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupType {
    /// Its name among programs.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
}

impl GroupType {
    /// The one that a server has unless it is told otherwise.
    pub(super) fn chat() -> Self {
        Self { name: "chat".to_owned(), display_name: "Chat".to_owned() }
    }
}

/// Types of groups in a row.
#[derive(Debug)]
pub(super) struct GroupTypes;

impl Form for GroupTypes {
    type Value = Vec<GroupType>;

    fn name(&self) -> String {
        "LIST".to_owned()
    }

    fn wanted(&self) -> String {
        let form = "each \"name\" or \"name=Name for people\"";
        format!("up to {GROUP_TYPES_MAX} types with commas between them, {form}, no name over {NAME_MAX} bytes")
    }

    fn parse(&self, text: &str) -> Option<Vec<GroupType>> {
        let group_type = |item: &str| {
            let (name, display_name) = item.split_once('=').unwrap_or((item, item));
            let (name, display_name) = (name.trim(), display_name.trim());
            let is_name = |name: &str| (1..=NAME_MAX).contains(&name.len()) && !name.contains(char::is_control);
            let is_sound = is_name(name) && is_name(display_name);
            is_sound.then(|| GroupType { name: name.to_owned(), display_name: display_name.to_owned() })
        };
        let items = text.split(',').filter(|_| !text.trim().is_empty());
        let types: Option<Vec<_>> = items.map(group_type).collect();
        types.filter(|types| types.len() <= GROUP_TYPES_MAX)
    }

    fn show(&self, types: &Vec<GroupType>) -> String {
        let shown = types.iter().map(|GroupType { name, display_name }| format!("{name}={display_name}"));
        shown.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_groups_have_a_name_for_people() {
        let types = GroupTypes.parse("chat, talk = Small talk").unwrap();
        assert_eq!(GroupTypes.show(&types), "chat=chat, talk=Small talk");
        assert_eq!(GroupTypes.parse(" "), Some(Vec::new()));
        assert!(GroupTypes.parse(&["t"; GROUP_TYPES_MAX].join(",")).is_some());
        assert!(GroupTypes.parse(&"x".repeat(NAME_MAX)).is_some());
        let (one_more, too_long) = (["t"; GROUP_TYPES_MAX + 1].join(","), "x".repeat(NAME_MAX + 1));
        for junk in ["a,", ",", "=", "a=", "=b", "a\nb", &one_more, &too_long] {
            assert!(GroupTypes.parse(junk).is_none(), "{junk:?}");
        }
    }
}
