//! `myicq profile`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use myicq_client::{Authorization, Client, Face, Profile, Uin};

use crate::connection::{Login, password_from};
use crate::failure::Failure;
use crate::output::{self, Plain};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    /// Whose profile; one's own without a number
    #[arg(value_name = "UIN")]
    whose: Option<Uin>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Change one's own profile; what is not named stays as it is
    Set(Box<Changes>),
}

/// How one wants to be added.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Auth {
    Anyone,
    Required,
    Nobody,
}

impl From<Auth> for Authorization {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Anyone => Self::ANYONE,
            Auth::Required => Self::REQUIRED,
            Auth::Nobody => Self::NOBODY,
        }
    }
}

macro_rules! changes {
    ($($field:ident),*) => {
        #[derive(Debug, Args)]
        struct Changes {
            /// The number of a picture
            #[arg(long)]
            face: Option<u8>,
            /// Years
            #[arg(long)]
            age: Option<u8>,
            /// 0 not said, 1 male, 2 female
            #[arg(long)]
            gender: Option<u8>,
            /// The blood group: 0 not said, 1 A, 2 B, 3 O, 4 AB, 5 another
            #[arg(long)]
            blood: Option<u8>,
            $(
                #[arg(long)]
                $field: Option<String>,
            )*
            /// Who may add you
            #[arg(long, value_enum)]
            auth: Option<Auth>,
            /// Read a new password from the first line of this file
            #[arg(long, value_name = "FILE")]
            new_password_file: Option<PathBuf>,
        }

        impl Changes {
            fn apply(&self, profile: &mut Profile) {
                profile.face = self.face.map_or(profile.face, Face);
                profile.age = self.age.unwrap_or(profile.age);
                profile.gender = self.gender.unwrap_or(profile.gender);
                profile.blood = self.blood.unwrap_or(profile.blood);
                $(if let Some(text) = &self.$field {
                    profile.$field.clone_from(text);
                })*
            }
        }

        /// The fields that say something, one a line.
        fn show(profile: &Profile) -> Result<(), Failure> {
            let Profile { face, age, gender, blood, .. } = *profile;
            for (name, number) in [("face", face.0), ("age", age), ("gender", gender), ("blood", blood)] {
                if number != 0 {
                    output::line(format_args!("{name}: {number}"))?;
                }
            }
            $(if !profile.$field.is_empty() {
                output::line(format_args!("{}: {}", stringify!($field), Plain(&profile.$field)))?;
            })*
            Ok(())
        }
    };
}

changes!(nick, country, province, city, email, address, zipcode, tel, name, college, occupation, homepage, intro);

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.whose.is_some() && arguments.action.is_some() {
        return Err(Failure::usage("only one's own profile can be changed: leave the number out"));
    }
    let client = arguments.login.connect_quietly().await?;
    let outcome = match (&arguments.action, arguments.whose) {
        (Some(Action::Set(changes)), _) => change(&client, changes).await,
        (None, Some(uin)) => print(&client, uin, arguments.json).await,
        (None, None) => print_own(&client, arguments.json).await,
    };
    client.logout().await;
    outcome
}

async fn print(client: &Client, uin: Uin, json: bool) -> Result<(), Failure> {
    let profile = client.profile(uin).await?;
    if json { Ok(output::json(&profile)?) } else { show(&profile) }
}

async fn print_own(client: &Client, json: bool) -> Result<(), Failure> {
    let own = client.own_profile().await?;
    if json {
        return Ok(output::json(&own)?);
    }
    show(&own.profile)?;
    let auth = match own.authorization {
        Authorization::ANYONE => "anyone",
        Authorization::REQUIRED => "required",
        _ => "nobody",
    };
    Ok(output::line(format_args!("auth: {auth}"))?)
}

async fn change(client: &Client, changes: &Changes) -> Result<(), Failure> {
    let password = changes.new_password_file.as_deref().map(password_from).transpose()?;
    let own = client.own_profile().await?;
    let mut profile = own.profile;
    changes.apply(&mut profile);
    let authorization = changes.auth.map_or(own.authorization, Authorization::from);
    Ok(client.modify(&profile, authorization, password).await?)
}
