//! The server is killed between a sender's acknowledgement and the delivery, again and again: the message is there when it is back.
#![cfg(unix)]

use myicq_tests::process::Server;

const ROUNDS: usize = 20;

#[test]
fn an_acknowledged_message_outlives_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let anna = server.done(&["register"], None, "hunter2");
    let ben = server.done(&["register"], None, "hunter2");
    for round in 0..ROUNDS {
        let text = format!("message {round}");
        // In every other round he is there, and takes nothing: his program stands still.
        let frozen = (round % 2 == 1).then(|| server.listen(&ben, "hunter2"));
        frozen.iter().for_each(|listener| listener.freeze());
        server.done(&["send", "--to", &ben, &text], Some(&anna), "hunter2");
        server.kill();
        drop(frozen);

        server = Server::start(folder.path());
        let mut listening = server.listen(&ben, "hunter2");
        assert_eq!(listening.wait_for("message")["text"], text.as_str(), "round {round}");
        // Nothing else waits: a message that was said behind it comes next.
        server.done(&["send", "--to", &ben, "now"], Some(&anna), "hunter2");
        assert_eq!(listening.wait_for("message")["text"], "now", "round {round}");
    }
}
