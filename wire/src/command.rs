//! The one table of commands. docs/protocol.md shows the same table, and a test compares the two.

/// What a client waits for after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing: it is sent once.
    Nothing,
    /// A datagram without a body that acknowledges it.
    Ack,
    /// A reply of this command that acknowledges it.
    Reply(Command),
}

/// What a command is as a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestInfo {
    /// Whether its body, if it has one, is enciphered.
    pub enciphered: bool,
    /// What acknowledges it.
    pub answer: Answer,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandInfo {
    /// Which command.
    pub command: Command,
    /// Its number on the wire.
    pub number: u16,
    /// The name that the protocol's text gives it.
    pub name: &'static str,
    /// What it is from client to server, if clients send it.
    pub request: Option<RequestInfo>,
    /// Whether the server sends it.
    pub reply: bool,
}

macro_rules! commands {
    ($($variant:ident $number:literal $name:literal $request:expr, $reply:literal;)*) => {
        /// A command of the protocol, in either direction.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum Command {
            $(#[doc = $name] $variant = $number,)*
        }

        /// Every command, by rising number.
        pub const COMMANDS: &[CommandInfo] = &[
            $(CommandInfo { command: Command::$variant, number: $number, name: $name, request: $request, reply: $reply },)*
        ];

        impl Command {
            /// The command of this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its name in the protocol's text.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it is as a request; `None` for one that only the server sends.
            pub const fn request(self) -> Option<RequestInfo> {
                match self {
                    $(Self::$variant => $request,)*
                }
            }

            /// Whether the server sends it.
            pub const fn is_reply(self) -> bool {
                match self {
                    $(Self::$variant => $reply,)*
                }
            }
        }
    };
}

const fn clear(answer: Answer) -> Option<RequestInfo> {
    Some(RequestInfo { enciphered: false, answer })
}

const fn enciphered(answer: Answer) -> Option<RequestInfo> {
    Some(RequestInfo { enciphered: true, answer })
}

use Answer::{Ack, Nothing, Reply};

commands! {
    // variant          number  name                          from the client                                    from the server
    Ack                  0x0001 "UDP_ACK"                     clear(Nothing),                                     true;
    NewUin               0x0002 "UDP_NEW_UIN"                 clear(Reply(Command::NewUin)),                      true;
    GetContactList       0x0003 "UDP_GET_CONTACTLIST"         clear(Reply(Command::GetContactList)),              true;
    Login                0x0004 "UDP_LOGIN"                   clear(Reply(Command::Login)),                       true;
    Logout               0x0005 "UDP_LOGOUT"                  clear(Nothing),                                     false;
    KeepAlive            0x0006 "UDP_KEEPALIVE"               enciphered(Reply(Command::KeepAlive)),              true;
    ChangeStatus         0x0007 "UDP_CHANGE_STATUS"           enciphered(Ack),                                    false;
    UpdateContact        0x0008 "UDP_UPDATE_CONTACT"          enciphered(Reply(Command::UpdateContact)),          true;
    ModifyUser           0x0009 "UDP_MODIFY_USER"             enciphered(Ack),                                    false;
    UpdateUser           0x000A "UDP_UPDATE_USER"             clear(Reply(Command::UpdateUser)),                  true;
    SendMessage          0x000B "UDP_SEND_MSG"                enciphered(Ack),                                    false;
    SearchRandom         0x000C "UDP_SEARCH_RANDOM"           enciphered(Reply(Command::Search)),                 false;
    SearchCustom         0x000D "UDP_SEARCH_CUSTOM"           enciphered(Reply(Command::Search)),                 false;
    AddFriend            0x000E "UDP_ADD_FRIEND"              enciphered(Reply(Command::AddFriend)),              true;
    DelFriend            0x000F "UDP_DEL_FRIEND"              enciphered(Ack),                                    false;
    BroadcastMessage     0x0010 "UDP_BROADCAST_MSG"           enciphered(Ack),                                    false;
    GetServerList        0x0011 "UDP_GET_SERVER_LIST"         clear(Reply(Command::GetServerList)),               true;
    GetGroupList         0x0012 "UDP_GET_GROUP_LIST"          enciphered(Reply(Command::GetGroupList)),           true;
    SearchGroup          0x0013 "UDP_SEARCH_GROUP"            enciphered(Reply(Command::SearchGroup)),            true;
    GetRemoteContactList 0x0014 "UDP_GET_REMOTE_CONTACTLIST"  clear(Reply(Command::GetRemoteContactList)),        true;
    CreateGroup          0x0080 "UDP_CREATE_GROUP"            enciphered(Reply(Command::CreateGroup)),            true;
    EnterGroup           0x0081 "UDP_ENTER_GROUP"             enciphered(Reply(Command::EnterGroup)),             true;
    ExitGroup            0x0082 "UDP_EXIT_GROUP"              enciphered(Ack),                                    false;
    GroupStart           0x0083 "UDP_GROUP_START"             enciphered(Ack),                                    false;
    GroupMessage         0x0084 "UDP_GROUP_MESSAGE"           enciphered(Ack),                                    true;
    GroupCommand         0x0085 "UDP_GROUP_CMD"               enciphered(Ack),                                    false;
    UserOnline           0x0100 "UDP_SRV_USER_ONLINE"         None,                                               true;
    UserOffline          0x0101 "UDP_SRV_USER_OFFLINE"        None,                                               true;
    MultiOnline          0x0102 "UDP_SRV_MULTI_ONLINE"        None,                                               true;
    StatusChanged        0x0103 "UDP_SRV_STATUS_CHANGED"      None,                                               true;
    Message              0x0104 "UDP_SRV_MESSAGE"             None,                                               true;
    Search               0x0105 "UDP_SRV_SEARCH"              None,                                               true;
    Typing               0x0200 "UDP_TYPING"                  enciphered(Ack),                                    true;
    Read                 0x0201 "UDP_READ"                    enciphered(Ack),                                    true;
    Delivered            0x0202 "UDP_SRV_DELIVERED"           None,                                               true;
    Sent                 0x0203 "UDP_SRV_SENT"                None,                                               true;
    Refused              0x0300 "UDP_SRV_REFUSED"             None,                                               true;
    Resume               0x0301 "UDP_RESUME"                  enciphered(Nothing),                                true;
    Relay                0x0400 "UDP_RELAY"                   enciphered(Reply(Command::Relay)),                  true;
    RelayOffered         0x0401 "UDP_SRV_RELAY"               None,                                               true;
    GroupTypes           0x1000 "UDP_SRV_GROUP_TYPES"         None,                                               true;
    GroupEntered         0x1001 "UDP_SRV_ENTER_GROUP"         None,                                               true;
    GroupExited          0x1002 "UDP_SRV_EXIT_GROUP"          None,                                               true;
}

impl Command {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }
}
