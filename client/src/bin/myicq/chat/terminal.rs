//! The terminal: taken over, drawn on, and given back as it was, whatever happens.

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::model::{Model, Room};
use super::view::{Look, draw};

/// Whether the terminal is ours at the moment. Where a program has one terminal, there is one of these.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The screen. Dropped, it gives the terminal back.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over. A panic from here on gives it back before it is told.
    pub(super) fn open() -> io::Result<Self> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
        }));
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| give_back())?;
        Ok(Self { terminal })
    }

    pub(super) fn draw(&mut self, model: &Model, look: &Look) -> io::Result<Room> {
        let mut room = Room::default();
        self.terminal.draw(|frame| room = draw(frame, model, look))?;
        Ok(room)
    }

    /// Forgets what is on the screen, so that all of it is drawn.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    pub(super) fn ring(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout();
        stdout.write_all(b"\x07")?;
        stdout.flush()
    }

    /// Gives the terminal to the shell until that brings the program back.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use rustix::process::{Signal, kill_current_process_group};
            give_back();
            kill_current_process_group(Signal::STOP)?;
        }
        self.resume()
    }

    /// Takes the terminal again, after somebody else may have had it.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        take()?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::Relaxed);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste).inspect_err(|_| give_back())
}

/// What cannot be given back is gone, and nobody is there to be told.
fn give_back() {
    if IS_TAKEN.swap(false, Ordering::Relaxed) {
        let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
