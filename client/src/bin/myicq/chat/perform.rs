//! What the model asks of the server.

use std::path::{Path, PathBuf};

use myicq_client::{AcceptFile, Arrival, Client, FileOffer, FoundUser, Group, Message, OwnProfile, RequestError, Uin};
use tokio::sync::mpsc::UnboundedSender;

use super::driver::Answered;
use super::model::{Found, Progress, Reply, Request};
use crate::folder;

/// Asks, and sends the answer to where everything arrives. What is said is handed over in this call, so that it keeps its order; only
/// the answers come by themselves.
pub(super) async fn perform(client: Client, into: PathBuf, request: Request, answers: UnboundedSender<Answered>) {
    let handed = match &request {
        Request::Send { to, text, .. } => Some(client.send(*to, text).await),
        Request::Say { group, text, .. } => Some(client.say_to_group(*group, text).await),
        _ => None,
    };
    spawn(async move {
        let reply = match handed {
            Some(Ok(receipt)) => receipt.acknowledged().await.map(taken),
            Some(Err(error)) => Err(error),
            None => ask(&client, &into, &request).await,
        };
        // Nobody there: the program ends.
        let _ = answers.send(Answered { request, reply });
    });
}

#[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn ask(client: &Client, into: &Path, request: &Request) -> Result<Reply, RequestError> {
    let done = |()| Reply::Done;
    match request {
        Request::Send { .. } | Request::Say { .. } => Ok(Reply::Done),
        Request::Contacts => client.contacts().await.map(Reply::Contacts),
        Request::OwnProfile { .. } => {
            client.own_profile().await.map(|own| Reply::OwnProfile(Box::new(own.profile), own.authorization))
        }
        Request::Profile { uin, .. } => client.profile(*uin).await.map(Box::new).map(Reply::Profile),
        Request::Add { whom, .. } => client.add(*whom).await.map(Reply::Added),
        Request::AskToAdd { whom, reason } => ask_to_add(client, *whom, reason).await.map(done),
        Request::Remove(uin) => client.remove(*uin).await.map(done),
        Request::Authorize(whom) => tell(client, *whom, Message::AuthAccepted).await.map(done),
        Request::Deny { whom, reason } => {
            tell(client, *whom, Message::AuthRejected { reason: reason.clone() }).await.map(done)
        }
        Request::FindUin(uin) => client.search_uin(*uin).await.map(found),
        Request::FindWords { nick, email } => client.search_words(nick, email, Uin(0)).await.map(found),
        Request::FindRandom => client.search_random().await.map(found),
        Request::Status(status) => client.set_status(*status).await.map(done),
        Request::Groups(of_type) => client.groups(*of_type).await.map(groups),
        Request::Group(group) => client.group(*group).await.map(groups),
        Request::Enter { group, password } => {
            let members = client.enter_group(*group, password.clone()).await?;
            Ok(Reply::Members(members.into_iter().map(|member| (member.uin, member.nick)).collect()))
        }
        Request::Create { name, password } => client.create_group(0, name, password.clone()).await.map(Reply::Created),
        Request::Exit(group) => client.exit_group(*group).await.map(done),
        Request::Read { from, up_to } => client.read(*from, *up_to).await.map(done),
        Request::Offer { to, path } => {
            let offer = FileOffer { path: folder::expanded(path), reason: None };
            client.offer_file(*to, offer).await.map(|_| Reply::Done)
        }
        Request::Accept(transfer) => {
            let accept = AcceptFile { folder: into.to_owned(), max_size: u64::MAX };
            client.accept_file(*transfer, accept).await.map(done)
        }
        Request::Refuse(transfer) => client.refuse_file(*transfer).await.map(done),
        Request::Cancel(transfer) => client.cancel_file(*transfer).await.map(done),
        Request::Typing { to, is_typing } => client.typing(*to, *is_typing).await.map(done),
    }
}

fn taken(arrival: Arrival) -> Reply {
    let progress = match arrival {
        Arrival::Direct | Arrival::Delivered { .. } => Progress::Delivered,
        _ => Progress::Sent,
    };
    Reply::Sent(progress, arrival.id())
}

fn found(users: Vec<FoundUser>) -> Reply {
    let found = users.into_iter().map(|FoundUser { uin, online, nick, province, .. }| Found {
        uin,
        is_here: online,
        nick,
        province,
    });
    Reply::Found(found.collect())
}

fn groups(groups: impl IntoIterator<Item = Group>) -> Reply {
    Reply::Groups(groups.into_iter().map(|group| (group.group, group.name, group.members)).collect())
}

async fn ask_to_add(client: &Client, whom: Uin, reason: &str) -> Result<(), RequestError> {
    let OwnProfile { profile, .. } = client.own_profile().await?;
    let request = Message::AuthRequest { face: profile.face, nick: profile.nick, reason: reason.to_owned() };
    tell(client, whom, request).await
}

async fn tell(client: &Client, whom: Uin, message: Message) -> Result<(), RequestError> {
    client.send_message(whom, &message).await?.acknowledged().await.map(drop)
}
