/* The MyICQ (LinQ) client for C.
 *
 * Made from the Rust sources; do not change it by hand. client/ffi/README.md has the way of working, client/ffi/examples/c/chat.c a
 * whole program. A client belongs to one thread at a time. Texts are UTF-8.
 */

#ifndef MYICQ_H
#define MYICQ_H

#include <stddef.h>
#include <stdint.h>

/*
 It is done.
 */
#define MYICQ_OK 0

/*
 A pointer is null, a text is no UTF-8, or a number cannot be.
 */
#define MYICQ_ERROR_ARGUMENT -1

/*
 The system did not do it: no such host, no socket.
 */
#define MYICQ_ERROR_SYSTEM -2

/*
 The session has ended.
 */
#define MYICQ_ERROR_ENDED -3

/*
 Too many requests wait for their answers: process some events first.
 */
#define MYICQ_ERROR_BUSY -4

/*
 A text is longer than the protocol has room for.
 */
#define MYICQ_ERROR_TOO_LONG -5

/*
 The library failed in a way that it should not; the client is of no more use.
 */
#define MYICQ_ERROR_INTERNAL -6

/*
 The server did not do it, and said why where it can.
 */
#define MYICQ_ERROR_REFUSED -7

/*
 Nothing came back in time; it may or may not have been done.
 */
#define MYICQ_ERROR_NO_ANSWER -8

/*
 The password is wrong, or there is no such user.
 */
#define MYICQ_ERROR_LOGIN -9

/*
 The same user has logged in elsewhere.
 */
#define MYICQ_ERROR_REPLACED -10

/*
 The server does not answer, or not any more.
 */
#define MYICQ_ERROR_LOST -11

/*
 The session is open. `value`: how many users are online.
 */
#define MYICQ_EVENT_LOGGED_IN 1

/*
 The session has ended; the last event of a session. `code`: why, 0 after a logout. myicq_reconnect opens another.
 */
#define MYICQ_EVENT_ENDED 2

/*
 `uin` says `text`, as a person. `value`: when the server took it, in Unix seconds. `id`: the message's own number, 0 if it has none.
 */
#define MYICQ_EVENT_MESSAGE 3

/*
 The program of `uin`, who is away, says `text`.
 */
#define MYICQ_EVENT_AUTO_REPLY 4

/*
 `uin` asks to have you on his list; `text`: why. Answer with myicq_authorize.
 */
#define MYICQ_EVENT_AUTH_REQUEST 5

/*
 `uin` lets you have him on your list.
 */
#define MYICQ_EVENT_AUTH_ACCEPTED 6

/*
 `uin` does not want to be on your list; `text`: why.
 */
#define MYICQ_EVENT_AUTH_REJECTED 7

/*
 `uin` has put you on his list.
 */
#define MYICQ_EVENT_ADDED 8

/*
 `uin`, a contact, is here, or is shown differently. `value`: the status.
 */
#define MYICQ_EVENT_PRESENCE 9

/*
 `uin` types a message to you; `value`: 1, or 0 when he has stopped.
 */
#define MYICQ_EVENT_TYPING 10

/*
 Your message `id`, which had been stored, has reached `uin`.
 */
#define MYICQ_EVENT_DELIVERED 11

/*
 `uin` has read your messages up to `id`.
 */
#define MYICQ_EVENT_READ 12

/*
 `uin` says `text` in the group `value`.
 */
#define MYICQ_EVENT_GROUP_MESSAGE 13

/*
 `uin` has entered the group `value`; `text`: his nick.
 */
#define MYICQ_EVENT_GROUP_ENTERED 14

/*
 `uin` has left the group `value`.
 */
#define MYICQ_EVENT_GROUP_EXITED 15

/*
 A request has its answer. `request`: its number. `code`: 0, or why not; `text` then has the words. What else there is depends on the
 request.
 */
#define MYICQ_EVENT_ANSWER 16

/*
 A new user has the number `uin`; the last event of a registration.
 */
#define MYICQ_EVENT_REGISTERED 18

/*
 One item of the answer to a request, before its MYICQ_EVENT_ANSWER: a contact (`uin`), a user found (`uin`, `value` 1 for online,
 `text` the nick), a group (`value` its number, `text` its name), a member of a group (`uin`, `text` the nick).
 */
#define MYICQ_EVENT_ITEM 17

/*
 Here.
 */
#define MYICQ_STATUS_ONLINE 0

/*
 Not here.
 */
#define MYICQ_STATUS_OFFLINE 1

/*
 Away from the keyboard.
 */
#define MYICQ_STATUS_AWAY 2

/*
 Here, but shown to nobody.
 */
#define MYICQ_STATUS_INVISIBLE 3

/*
 A user's session with a server, or a registration. It belongs to one thread at a time.
 */
typedef struct myicq_client myicq_client;

/*
 Something that happened. Fields that an event does not speak of are 0; `text` is never null.
 */
typedef struct myicq_event {
  /*
   Which: one of MYICQ_EVENT_….
   */
  uint32_t kind;
  /*
   Who.
   */
  uint32_t uin;
  /*
   The message's own number.
   */
  uint64_t id;
  /*
   The number of the request that is answered.
   */
  int64_t request;
  /*
   A number: see the kind.
   */
  uint32_t value;
  /*
   0, or an error.
   */
  int32_t code;
  /*
   UTF-8 with a NUL behind it. It holds until the callback returns.
   */
  const char *text;
  /*
   The bytes of the text without the NUL.
   */
  uintptr_t text_len;
} myicq_event;

/*
 Called by myicq_process for each event. It may call any function with the same client. A message is acknowledged to the server when it
 has returned, so one that the program did not get to see comes again.
 */
typedef void (*myicq_callback)(const struct myicq_event *event, void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The version of this library: "0.1.0".
 */
const char *myicq_version(void);

/*
 Begins to log in to the server at "host:port". Resolving the host may block; nothing afterwards does. `callback` is called with `user` from
 within myicq_process alone. Null if it cannot be done: myicq_last_error says why.

 # Safety
 `server` and `password` are texts with a NUL at their end.
 */
struct myicq_client *myicq_new(const char *server,
                               uint32_t uin,
                               const char *password,
                               myicq_callback callback,
                               void *user);

/*
 Begins to register a new user. The outcome is an event: MYICQ_EVENT_REGISTERED or MYICQ_EVENT_ENDED; then the client is to be freed. Else as
 myicq_new.

 # Safety
 As myicq_new.
 */
struct myicq_client *myicq_register(const char *server,
                                    const char *password,
                                    myicq_callback callback,
                                    void *user);

/*
 What to wait for: the descriptor (on Windows the SOCKET) that is readable when something has come. It changes with myicq_reconnect. -1 for a null
 client.

 # Safety
 `client` is one that was made here and not freed, or null.
 */
intptr_t myicq_fd(const struct myicq_client *client);

/*
 For how many milliseconds to wait at most before myicq_process is to be called, if nothing comes: for poll() and its like. -1: for ever.

 # Safety
 As myicq_fd.
 */
int32_t myicq_timeout_ms(const struct myicq_client *client);

/*
 Does what is due: reads what has come, sends what is to be sent, and calls the callback for each event. To be called when myicq_fd is
 readable and when myicq_timeout_ms has passed; more often does no harm. 0, or MYICQ_ERROR_ENDED when the session is over and all
 its events were told.

 # Safety
 As myicq_fd.
 */
int32_t myicq_process(struct myicq_client *client);

/*
 Begins another session of the same user after the end of one, with what is remembered of the messages shown: none is shown again. myicq_fd is another one from then on.

 # Safety
 As myicq_fd.
 */
int32_t myicq_reconnect(struct myicq_client *client);

/*
 Logs out. The events that are left, the end among them, are told by the next myicq_process.

 # Safety
 As myicq_fd.
 */
int32_t myicq_logout(struct myicq_client *client);

/*
 Frees a client, and logs out before if that has not happened. Nothing happens for null. From within the callback it is put off until the callback
 has returned.

 # Safety
 As myicq_fd; the client is not used afterwards.
 */
void myicq_free(struct myicq_client *client);

/*
 What went wrong last in this thread, in words for a person; empty if nothing has. It holds until the next call of a function of this
 library in this thread.
 */
const char *myicq_last_error(void);

/*
 What an error of this library means, in English. Never null.
 */
const char *myicq_error_text(int32_t error);

/*
 Says something to somebody. The answer comes when his program has the message or the server has stored it; its `id` is the message's own number, 0
 if the server does not say.

 # Safety
 See the head of this file.
 */
int64_t myicq_send(struct myicq_client *client,
                   uint32_t to,
                   const char *text,
                   uintptr_t text_len);

/*
 Asks for the contact list: an MYICQ_EVENT_ITEM for each.

 # Safety
 See the head of this file.
 */
int64_t myicq_contacts(struct myicq_client *client);

/*
 Puts somebody on the list. `value` of the answer: 0 done, 1 he wants to be asked with myicq_ask_to_add, 2 nobody may.

 # Safety
 See the head of this file.
 */
int64_t myicq_add(struct myicq_client *client,
                  uint32_t uin);

/*
 Asks somebody to be on the list, with a nick to be called by and a reason.

 # Safety
 See the head of this file.
 */
int64_t myicq_ask_to_add(struct myicq_client *client, uint32_t uin, const char *nick, const char *reason);

/*
 Answers an MYICQ_EVENT_AUTH_REQUEST: yes, or, with `allow` 0, no.

 # Safety
 See the head of this file.
 */
int64_t myicq_authorize(struct myicq_client *client, uint32_t uin, int32_t allow);

/*
 Takes somebody off the list.

 # Safety
 See the head of this file.
 */
int64_t myicq_remove(struct myicq_client *client, uint32_t uin);

/*
 Changes what contacts see: one of MYICQ_STATUS_… but OFFLINE.

 # Safety
 See the head of this file.
 */
int64_t myicq_set_status(struct myicq_client *client, uint32_t status);

/*
 Looks for users by nick, e-mail address or both; what is empty is not asked for. An MYICQ_EVENT_ITEM for each, 25 at most by rising number; `after`
 is the last of the page before, 0 for the first.

 # Safety
 See the head of this file.
 */
int64_t myicq_search(struct myicq_client *client,
                     const char *nick,
                     const char *email,
                     uint32_t after);

/*
 Looks for the user of a number.

 # Safety
 See the head of this file.
 */
int64_t myicq_search_uin(struct myicq_client *client, uint32_t uin);

/*
 Says that one types a message to somebody, or, with 0, has stopped.

 # Safety
 See the head of this file.
 */
int64_t myicq_typing(struct myicq_client *client, uint32_t to, int32_t is_typing);

/*
 Says that one has read what somebody said, up to the message with this number.

 # Safety
 See the head of this file.
 */
int64_t myicq_read(struct myicq_client *client, uint32_t from, uint64_t up_to);

/*
 The groups of a type, from 0: an MYICQ_EVENT_ITEM for each.

 # Safety
 See the head of this file.
 */
int64_t myicq_groups(struct myicq_client *client, uint16_t group_type);

/*
 Enters a group, with its password, or "" for one without: an MYICQ_EVENT_ITEM for each who is in it.

 # Safety
 See the head of this file.
 */
int64_t myicq_enter_group(struct myicq_client *client, uint32_t group, const char *password);

/*
 Leaves a group.

 # Safety
 See the head of this file.
 */
int64_t myicq_exit_group(struct myicq_client *client, uint32_t group);

/*
 Says something to a group.

 # Safety
 See the head of this file.
 */
int64_t myicq_say_to_group(struct myicq_client *client, uint32_t group, const char *text, uintptr_t text_len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MYICQ_H */
