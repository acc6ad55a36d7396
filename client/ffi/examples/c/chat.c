/* A conversation with one person, in a terminal.
 *
 *     cc chat.c $(pkg-config --cflags --libs myicq) -o chat
 *     MYICQ_PASSWORD_FILE=password ./chat 127.0.0.1:8000 10001 10002
 *
 * One poll() waits for the keyboard and for the server. There are no threads.
 */
#include <myicq.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct chat {
    myicq_client *client;
    uint32_t peer;
    int is_over;
};

static void on_event(const myicq_event *event, void *user)
{
    struct chat *chat = user;

    switch (event->kind) {
    case MYICQ_EVENT_LOGGED_IN:
        printf("* logged in, %" PRIu32 " online\n", event->value);
        break;
    case MYICQ_EVENT_MESSAGE:
    case MYICQ_EVENT_AUTO_REPLY:
        printf("%" PRIu32 ": %s\n", event->uin, event->text);
        if (event->id != 0)
            myicq_read(chat->client, event->uin, event->id);
        break;
    case MYICQ_EVENT_AUTH_REQUEST:
        printf("* %" PRIu32 " may have you on his list\n", event->uin);
        myicq_authorize(chat->client, event->uin, 1);
        break;
    case MYICQ_EVENT_PRESENCE:
        printf("* %" PRIu32 " is %s\n", event->uin, event->value == MYICQ_STATUS_OFFLINE ? "gone" : "here");
        break;
    case MYICQ_EVENT_READ:
        printf("* %" PRIu32 " has read it\n", event->uin);
        break;
    case MYICQ_EVENT_ANSWER:
        if (event->code != MYICQ_OK)
            printf("* not done: %s\n", event->text);
        break;
    case MYICQ_EVENT_ENDED:
        printf("* %s\n", event->text);
        chat->is_over = 1;
        break;
    }
    fflush(stdout);
}

/* Sends a line of the keyboard; returns 0 at its end. */
static int on_line(struct chat *chat)
{
    char line[1024];
    ssize_t len = read(STDIN_FILENO, line, sizeof line);

    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (len > 0 && myicq_send(chat->client, chat->peer, line, (size_t)len) < 0)
        printf("* not sent: %s\n", myicq_last_error());
    return len > 0;
}

static char *password(char *buffer, size_t size)
{
    const char *path = getenv("MYICQ_PASSWORD_FILE");
    FILE *file = path ? fopen(path, "r") : NULL;
    char *line = file ? fgets(buffer, (int)size, file) : NULL;

    if (file)
        fclose(file);
    if (line)
        line[strcspn(line, "\r\n")] = '\0';
    return line;
}

int main(int argc, char **argv)
{
    char secret[160];
    struct chat chat = {0};
    int is_typing = 1;

    if (argc != 4 || !password(secret, sizeof secret)) {
        fprintf(stderr, "usage: MYICQ_PASSWORD_FILE=FILE %s HOST:PORT MY-UIN PEER-UIN\n", argv[0]);
        return 2;
    }
    chat.peer = (uint32_t)strtoul(argv[3], NULL, 10);
    chat.client = myicq_new(argv[1], (uint32_t)strtoul(argv[2], NULL, 10), secret, on_event, &chat);
    memset(secret, 0, sizeof secret);
    if (!chat.client) {
        fprintf(stderr, "%s\n", myicq_last_error());
        return 1;
    }
    while (!chat.is_over) {
        struct pollfd waits[2] = {
            {.fd = (int)myicq_fd(chat.client), .events = POLLIN},
            {.fd = is_typing ? STDIN_FILENO : -1, .events = POLLIN},
        };
        int timeout;

        if (myicq_process(chat.client) < 0)
            break;
        timeout = myicq_timeout_ms(chat.client);
        if (poll(waits, 2, timeout) < 0)
            break;
        if (waits[1].revents && !on_line(&chat)) {
            is_typing = 0;
            myicq_logout(chat.client);
        }
    }
    myicq_free(chat.client);
    return 0;
}
