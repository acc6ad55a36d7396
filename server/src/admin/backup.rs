//! `myicqd backup FILE`: a copy of the database, whether a server has it or not.

use std::io::{self, Write};

use anyhow::anyhow;
use myicq_server::store::SqliteStore;
use serde_json::json;

use super::{place, runtime};
use crate::cli::BackupArgs;
use crate::exit::{Exit, Failure};

/// Makes the copy by itself: the server, where one is running, notices nothing of it.
pub(crate) fn run(args: &BackupArgs) -> Result<(), Failure> {
    let config = args.server.config()?;
    if let Some(url) = &config.store.database {
        let message = anyhow!("{url} is no file: `pg_dump` copies it, also while the server is running");
        return Err(Failure::new(Exit::Usage, message));
    }
    place::check_folder(&config.store.data)?;
    let bytes = runtime()?.block_on(SqliteStore::backup(&config.store.data, &args.file))?;
    let file = args.file.display().to_string();
    if args.json {
        writeln!(io::stdout(), "{}", json!({ "file": file, "bytes": bytes }))?;
    } else {
        writeln!(io::stdout(), "{file}: {bytes} bytes")?;
    }
    Ok(())
}
