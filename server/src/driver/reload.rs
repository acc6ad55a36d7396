//! The configuration that holds, and how it changes while the server runs.

use std::sync::Arc;

use crate::config::{Config, Reload, Setting, Sources};

/// The configuration that holds.
#[derive(Debug)]
pub(super) struct Settings {
    config: Arc<Config>,
    sources: Option<Sources>,
}

impl Settings {
    pub(super) fn new(config: Arc<Config>, sources: Option<Sources>) -> Self {
        Self { config, sources }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// Whether there is anything to read again.
    pub(super) fn can_reload(&self) -> bool {
        self.sources.is_some()
    }

    /// Reads everything again. What holds now is what held before, when anything is wrong with it; the log says what has become of
    /// it, once `publish` has passed it on.
    pub(super) fn reload(&mut self, publish: impl FnOnce(Arc<Config>)) {
        let Some(sources) = &self.sources else { return };
        let loaded = sources.load().map_err(|errors| errors.lines().collect::<Vec<_>>());
        let reload =
            loaded.and_then(|loaded| self.config.reload(&loaded.config).map_err(|error| vec![error.to_string()]));
        match reload {
            Ok(Reload { config, changed, kept }) => {
                self.config = Arc::new(config);
                publish(Arc::clone(&self.config));
                for setting in kept {
                    tracing::warn!("{} has another value, which waits for the next start", setting.key());
                }
                let changed: Vec<_> = changed.into_iter().map(Setting::key).collect();
                tracing::info!(changed = %changed.join(" "), "the configuration has been read again");
            }
            Err(errors) => {
                for error in errors {
                    tracing::error!("{error}");
                }
                tracing::error!("the configuration is kept as it was");
            }
        }
    }
}
