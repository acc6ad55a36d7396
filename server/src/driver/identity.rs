//! The server's id: drawn once, and kept in the data folder, so that clients tell servers apart.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use myicq_wire::ServerId;
use rand::Rng;

/// The file in the data folder: 16 hexadecimal digits.
const FILE: &str = "server-id";

/// The id of the server that uses a data folder; none, where it has not drawn one yet.
///
/// # Errors
/// The file cannot be read, or is something else.
pub fn server_id(data: &Path) -> io::Result<Option<ServerId>> {
    #[expect(clippy::disallowed_methods, reason = "the driver reads what it keeps")]
    let text = match std::fs::read_to_string(data.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let id = text.trim_end().parse();
    id.map(Some).map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("{FILE} is no id; delete it")))
}

/// The same; it is drawn where there is none.
pub(super) fn server_id_or_new(data: &Path, random: &mut impl Rng) -> io::Result<ServerId> {
    if let Some(id) = server_id(data)? {
        return Ok(id);
    }
    let id = ServerId(random.next_u64());
    #[expect(clippy::disallowed_methods, reason = "the driver writes what it keeps")]
    let mut file = std::fs::File::create_new(data.join(FILE))?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn an_id_is_drawn_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut random = StdRng::seed_from_u64(7);
        assert_eq!(server_id(folder.path()).unwrap(), None);
        let id = server_id_or_new(folder.path(), &mut random).unwrap();
        assert_eq!(server_id_or_new(folder.path(), &mut random).unwrap(), id);
        assert_eq!(server_id(folder.path()).unwrap(), Some(id));
    }

    #[test]
    fn something_else_is_no_id() {
        let folder = tempfile::tempdir().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the test damages the file")]
        std::fs::write(folder.path().join(FILE), "junk\n").unwrap();
        let error = server_id_or_new(folder.path(), &mut StdRng::seed_from_u64(7)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}
