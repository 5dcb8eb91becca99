/* SPDX-License-Identifier: MIT
 *
 * malformed.c - see malformed.h.
 */
#include "http/malformed.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { UNREAD_BYTES = 1 << 20 };

/* One connection has one thread, which ends before the connection is freed. */
static _Thread_local connection *served;

void *malformed_note(void *server, const char *target, struct MHD_Connection *mhd)
{
    const http_server *s = server;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    size_t n_prefix = s->options.prefix ? strlen(s->options.prefix) : 0;
    served = info ? info->socket_context : NULL;
    if (served == NULL)
        return NULL;
    if (strncmp(target, s->options.prefix ? s->options.prefix : "", n_prefix) == 0)
        target += n_prefix;
    size_t n = strcspn(target, "?");
    if (n >= sizeof served->path)
        n = 0; /* no path that is known is so long */
    memcpy(served->path, target, n);
    served->path[n] = '\0';
    return NULL; /* what the request's exchange begins as */
}

static const char *why(unsigned status)
{
    switch (status) {
    case 413:
        return "the body, or a chunk of it, is longer than any that is taken";
    case 414:
    case 431:
        return "the head of the request is too large";
    default:
        return "the request is malformed: HTTP/1.1 wants a Host, headers of a name, a colon and a "
               "value, and a body as long as Content-Length or its chunks say";
    }
}

/* A socket that is closed with something unread takes the answer back from a client that has not
 * read it yet. */
static void discard_unread(int fd)
{
    char bytes[4096];
    for (size_t n = 0; n < UNREAD_BYTES; n += sizeof bytes) {
        if (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
            return;
    }
}

static void answer(http_server *server, connection *c, unsigned status)
{
    const http_options *o = &server->options;
    http_reply reply = {.status = (int)status};
    char head[256];
    buf_init(&reply.body, 0);
    o->refuse(o->app, c->path, (int)status, why(status), &reply);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %u %s\r\nServer: hearth\r\nContent-Type: %s\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     status, MHD_get_reason_phrase_for(status), HTTP_JSON, reply.body.n);
    discard_unread(c->fd);
    if (n > 0 && (size_t)n < sizeof head &&
        send(c->fd, head, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) == n &&
        reply.body.n > 0)
        (void)send(c->fd, reply.body.data, reply.body.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_deinit(&reply.body);
    shutdown(c->fd, SHUT_RDWR);
    c->malformed = (int)status;
    if (o->served && !c->has_head) /* else its exchange tells */
        o->served(o->app, c->path, (int)status);
}

void malformed_tell(http_server *server, const char *format, va_list args)
{
    static const char wanted[] = "Error processing request (HTTP response code is %u";
    if (served == NULL || served->fd == -1 || served->is_answering || server->options.cert ||
        strncmp(format, wanted, sizeof wanted - 1) != 0)
        return;
    unsigned status = va_arg(args, unsigned);
    if (status >= 400 && status < 600)
        answer(server, served, status);
}
