//! Profiles between the charset of a session and UTF-8.

use std::sync::Arc;

use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Profile as WireProfile, Str, message};

use crate::config::Limits;
use crate::hub::Refusal;
use crate::store::Profile;

/// Bytes of a nick, as the clients of 2003 have it.
pub(super) const NICK_MAX: usize = 16;

/// Bytes of any other field on its way out: text can be longer in the reader's charset than it was in the writer's, and a profile has to
/// fit a datagram.
const FIELD_MAX: usize = 255;

/// Bytes of all fields, where each may be longer: what a datagram has room for, less its other fields and the padding of a sealed one.
const FIELDS_MAX: usize = 4_000;

/// Bytes that a text may have on its way out whose limit is `max`. In UTF-8 a character of two bytes takes three, and what another client of
/// ours wrote must come back whole.
pub(super) fn shown_max(max: usize, charset: Charset) -> usize {
    if charset == Charset::Utf8 { max + max / 2 } else { max }
}

/// Whether the text of a message is within its limits.
pub(super) fn is_sayable(text: &[u8], charset: Charset, limits: &Limits) -> bool {
    charset.fits(text, message::MAX_TEXT) && charset.fits(message::words(text), limits.text_max)
}

/// A client's profile, or why it is refused.
pub(super) fn from_wire(
    profile: &WireProfile<'_>,
    auth: Authorization,
    charset: Charset,
    limits: &Limits,
) -> Result<Arc<Profile>, Refusal> {
    if auth.0 > Authorization::NOBODY.0 {
        return Err(Refusal::Malformed);
    }
    let text = |field: Str<'_>, max: usize| {
        if charset.fits(field.0, max) { Ok(charset.decode(field.0).into_owned()) } else { Err(Refusal::TooLong) }
    };
    let max = limits.profile_field_max;
    Ok(Arc::new(Profile {
        face: profile.face,
        nick: text(profile.nick, NICK_MAX)?,
        age: profile.age,
        gender: profile.gender,
        country: text(profile.country, max)?,
        province: text(profile.province, max)?,
        city: text(profile.city, max)?,
        email: text(profile.email, max)?,
        address: text(profile.address, max)?,
        zipcode: text(profile.zipcode, max)?,
        tel: text(profile.tel, max)?,
        name: text(profile.name, max)?,
        blood: profile.blood,
        college: text(profile.college, max)?,
        occupation: text(profile.occupation, max)?,
        homepage: text(profile.homepage, max)?,
        intro: text(profile.intro, max)?,
        auth,
    }))
}

/// Hands a profile to `with` as the packets carry it.
pub(super) fn to_wire<T>(profile: &Profile, charset: Charset, with: impl FnOnce(WireProfile<'_>) -> T) -> T {
    let mut room = FIELDS_MAX;
    let mut text = |text: &str, max: usize| {
        let encoded = charset.encode(text);
        let cut = charset.cut(&encoded, shown_max(max, charset).min(room)).to_vec();
        room -= cut.len();
        cut
    };
    let nick = text(&profile.nick, NICK_MAX);
    let [country, province, city, email, address, zipcode, tel, name, college, occupation, homepage, intro] = [
        &profile.country,
        &profile.province,
        &profile.city,
        &profile.email,
        &profile.address,
        &profile.zipcode,
        &profile.tel,
        &profile.name,
        &profile.college,
        &profile.occupation,
        &profile.homepage,
        &profile.intro,
    ]
    .map(|field| text(field, FIELD_MAX));
    with(WireProfile {
        face: profile.face,
        nick: Str(&nick),
        age: profile.age,
        gender: profile.gender,
        country: Str(&country),
        province: Str(&province),
        city: Str(&city),
        email: Str(&email),
        address: Str(&address),
        zipcode: Str(&zipcode),
        tel: Str(&tel),
        name: Str(&name),
        blood: profile.blood,
        college: Str(&college),
        occupation: Str(&occupation),
        homepage: Str(&homepage),
        intro: Str(&intro),
    })
}
