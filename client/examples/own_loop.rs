//! A session in a loop of one's own, with the standard library alone: says something, and prints what is said until it is answered.
//!
//! `own_loop SERVER UIN TO TEXT`, with the password in the first line of the standard input.
#![expect(clippy::disallowed_methods, reason = "a loop of one's own is a driver")]

use std::error::Error;
use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use myicq_client::account::{Account, Config, Entropy, Request};
use myicq_client::{Event, Instant, Message, Password, SeenMessages, Uin};

/// Returns what was answered.
pub(crate) fn run(server: &str, uin: Uin, password: Password, to: Uin, text: &str) -> Result<String, Box<dyn Error>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(server)?;
    let start = std::time::Instant::now();
    // The machine counts from a start of our choosing.
    let now = || Instant::default() + start.elapsed();
    let mut account = Account::new(Config::new(uin, password), entropy()?, SeenMessages::default())?;
    account.request(Request::send(to, &Message::text(text))?)?;
    let (mut buffer, mut answer) = ([0; 4_096], None);
    loop {
        while let Some((_, outcome)) = account.poll_answer() {
            outcome?;
        }
        while let Some(event) = account.poll_event() {
            match event {
                Event::Message { from, message: Message::Text { text }, .. } if from == to => {
                    answer = Some(text);
                    account.log_out();
                }
                _ => {}
            }
        }
        while let Some(datagram) = account.poll_transmit(now()) {
            socket.send(&datagram)?;
        }
        if let Some(reason) = account.ended() {
            return answer.ok_or_else(|| reason.to_string().into());
        }
        let wait = account.poll_timeout().map_or(Duration::from_secs(1), |due| due.since(now()));
        // A timeout of 0 would be none at all.
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv(&mut buffer) {
            Ok(len) => account.handle_datagram(now(), buffer.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        account.handle_timeout(now());
    }
}

/// Random bytes of the system: nobody must be able to guess the number of the session.
fn entropy() -> io::Result<Entropy> {
    let mut bytes = [0; 14];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(Entropy::from_bytes(bytes))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, uin, to, text] = &arguments[..] else { return Err("own_loop SERVER UIN TO TEXT".into()) };
    let mut password = String::new();
    io::stdin().read_line(&mut password)?;
    let answer = run(server, uin.parse()?, Password::new(password.trim_end())?, to.parse()?, text)?;
    io::Write::write_all(&mut io::stdout(), format!("{answer}\n").as_bytes())?;
    Ok(())
}
