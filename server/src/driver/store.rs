//! The store's thread: requests in, replies out.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::mail::Mailboxes;
use super::meter::{Metered, StoreMeter};
use super::{RunError, Watch, runtime, spawn};
use crate::config::StoreConfig;
use crate::store::{self, Database, DatabaseReader, OpenError};

/// The store at work.
#[derive(Debug)]
pub(super) struct StoreThread {
    /// Where requests go. When the last sender is gone, the thread commits what it has and ends.
    pub(super) requests: mpsc::UnboundedSender<store::Request>,
    pub(super) thread: JoinHandle<()>,
    /// What it has measured.
    pub(super) meter: Arc<StoreMeter>,
}

/// Opens the database on a thread of its own and lets it work there.
pub(super) async fn start(config: StoreConfig, mailboxes: Mailboxes, watch: Watch) -> Result<StoreThread, RunError> {
    let (requests, queue) = mpsc::unbounded_channel();
    let (opened, is_open) = oneshot::channel();
    let runtime = runtime()?;
    let meter = Arc::new(StoreMeter::default());
    let metered = Arc::clone(&meter);
    let thread = spawn("store", watch, move || {
        runtime.block_on(async move {
            match open(&config).await {
                Ok((store, mut reader)) => {
                    metered.count_kept(&mut reader).await;
                    let _ = opened.send(Ok(()));
                    // A shard that has ended needs no replies.
                    let answer = |replies| mailboxes.send_replies(replies);
                    let (store, reader) = (Metered::writer(store, &metered), Metered::reader(reader, &metered));
                    let (store, reader) = store::run(store, reader, queue, answer).await;
                    reader.store.close().await;
                    store.store.close().await;
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        });
    })?;
    match is_open.await {
        Ok(Ok(())) => Ok(StoreThread { requests, thread, meter }),
        Ok(Err(error)) => Err(RunError::Store(error)),
        Err(_) => Err(RunError::Died("store")),
    }
}

async fn open(config: &StoreConfig) -> Result<(Database, DatabaseReader), OpenError> {
    let store = Database::open(&config.data, config.database.as_ref()).await?;
    let reader = store.reader().await?;
    Ok((store, reader))
}
