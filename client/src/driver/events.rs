//! The stream of what happens.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::account::{Delivery, Ticket};
use crate::event::Event;

/// What happens in a session, in order; [`Event::Ended`] is the last.
///
/// A message is acknowledged to the server in the moment in which it is taken from here, so one that nobody took is kept by the
/// server and comes again in the next session. The other side of this: a program that leaves messages lying for longer
/// than the server tries (30 s) may find its session ended. Dropping this says that the program wants no messages: all of them stay with the
/// server, and the session goes on until that gives one up, or longer if it is [plain](super::Builder::plain).
#[derive(Debug)]
pub struct Events {
    pub(super) deliveries: mpsc::Receiver<Delivery>,
    /// At most as many as the link has open, because each is taken once.
    pub(super) taken: mpsc::UnboundedSender<Ticket>,
}

impl Events {
    /// The next event; `None` after [`Event::Ended`].
    ///
    /// Cancel-safe: an event is taken in the same step in which it is returned.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// The next event, and for a message the ticket to [confirm](Events::confirm) it with once it is where it must not be lost; `None` after
    /// [`Event::Ended`]. What is never confirmed stays with the server.
    ///
    /// Cancel-safe: an event is taken in the same step in which it is returned.
    pub async fn next_delivery(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// Acknowledges a message to the server.
    pub fn confirm(&self, ticket: Ticket) {
        // When the session is over, the server cannot be told, and sends the message again in the next one.
        let _ = self.taken.send(ticket);
    }

    /// An event that is there already; `None` if there is none now.
    pub fn try_next(&mut self) -> Option<Event> {
        self.deliveries.try_recv().ok().map(|delivery| self.take(delivery))
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.deliveries.poll_recv(context).map(|delivery| delivery.map(|delivery| self.take(delivery)))
    }

    fn take(&self, delivery: Delivery) -> Event {
        if let Some(ticket) = delivery.ticket {
            self.confirm(ticket);
        }
        delivery.event
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll_event(context)
    }
}
