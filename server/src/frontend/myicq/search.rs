//! Searches and the list of servers, between packets and the hub's words.

use std::borrow::Cow;
use std::str;

use myicq_wire::charset::Charset;
use myicq_wire::{Found, List, Reply, SearchWords, Seq, Server, Str};

use super::Frontend;
use super::profile::{NICK_MAX, shown_max};
use crate::hub::{Hub, Search, SessionKey};
use crate::store::Card;
use crate::time::Now;

/// Bytes of a province in a list. A page of 25 with the longest nicks and provinces has 1,422 bytes, and hardly any network has to take it
/// apart; in UTF-8, where all nicks are of eight characters of three bytes, 1,622.
const PROVINCE_MAX: usize = 28;

/// What this server says of itself in the list of servers.
const DESCRIPTION: &str = "MyICQ";

/// COMPAT: the clients of 2003 send these words in UTF-8, ours as well. What is not UTF-8 is in the charset of the session, as a client
/// written from the text of 2002 has it.
pub(super) fn from_wire(words: &SearchWords<'_>, charset: Charset) -> Search {
    let text =
        |word: Str<'_>| str::from_utf8(word.0).map_or_else(|_| charset.decode(word.0), Cow::Borrowed).into_owned();
    Search::Words { nick: text(words.nick), email: text(words.email), after: words.start_uin }
}

impl Frontend {
    pub(super) fn reply_found(&mut self, now: Now, key: SessionKey, seq: Seq, found: &[(Card, bool)], hub: &mut Hub) {
        let Some(session) = self.sessions.get(key) else { return };
        let charset = session.charset;
        let texts = found.iter().map(|(card, _)| (charset.encode(&card.nick), charset.encode(&card.province)));
        let texts: Vec<_> = texts.collect();
        let entries = found.iter().zip(&texts).map(|((card, is_visible), (nick, province))| Found {
            uin: card.uin,
            online: u8::from(*is_visible),
            face: card.face,
            nick: Str(charset.cut(nick, shown_max(NICK_MAX, charset))),
            province: Str(charset.cut(province, PROVINCE_MAX)),
        });
        let entries: Vec<_> = entries.collect();
        self.reply(now, key, seq, &Reply::Search(List::new(&entries)), hub);
    }

    /// There is no other server to name.
    pub(super) fn reply_servers(&mut self, now: Now, key: SessionKey, seq: Seq, hub: &mut Hub) {
        let domain = self.config.listen.domain.clone();
        let (domain, online_users) = (Str(domain.as_bytes()), hub.online_users());
        let here = Server { domain, description: Str::from(DESCRIPTION), online_users };
        self.reply(now, key, seq, &Reply::GetServerList(List::new(&[here])), hub);
    }
}
