/* SPDX-License-Identifier: MIT
 *
 * fake_engine.c - an engine that misbehaves as it is told to: it takes the place of `hearth engine`
 * in the tests of the supervisor.
 *
 *   --fake MODE    ok (the default), silent (never listens), loading (never ready), segfault,
 * refuse (exit code 1 with a message), deaf (ignores SIGTERM), flood (writes to standard error
 * without end), garbage (answers health with no HTTP), quiet-garbage (writes bytes that are no
 * text), once (dies of a signal at the first start only: --gate names the file that remembers)
 *   --gate FILE    not ready until FILE is there
 * GET /die kills it in the middle of the answer; GET /freeze stops it there, GET /compute?FILE lets
 * it compute there until FILE is there; GET /environment tells its key and its parent.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *mode = "ok", *gate, *model = "", *alias = "";

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static bool is_ready(void)
{
    return !is("loading") && (gate == NULL || is("once") || access(gate, F_OK) == 0);
}

static int listen_anywhere(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd == -1 || bind(fd, (struct sockaddr *)&address, n) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        exit(4);
    *port = ntohs(address.sin_port);
    return fd;
}

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        return;
}

static void answer(int fd, int status, const char *body)
{
    char head[256];
    snprintf(head, sizeof head,
             "HTTP/1.1 %d X\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
             "Connection: close\r\n\r\n",
             status, strlen(body));
    say(fd, head);
    say(fd, body);
}

static void serve(int fd)
{
    char request[4096], body[512];
    ssize_t n = read(fd, request, sizeof request - 1);
    request[n > 0 ? n : 0] = '\0';
    if (strncmp(request, "GET /health ", 12) == 0) {
        if (is("garbage"))
            say(fd, "\x01\x02 this is no HTTP\r\n\r\n");
        else
            answer(fd, is_ready() ? 200 : 503, "{\"status\":\"ok\"}");
    } else if (strncmp(request, "GET /metrics ", 13) == 0) {
        answer(fd, 200,
               "# HELP x y\nllamacpp:prompt_tokens_total 100\nllamacpp:tokens_predicted_total 40\n"
               "llamacpp:requests_processing 1\nhearth:pages 8\nhearth:pages_used 2\n");
    } else if (strncmp(request, "GET /die ", 9) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning");
        fprintf(stderr, "about to die\n");
        raise(SIGKILL);
    } else if (strncmp(request, "GET /freeze ", 12) == 0) {
        raise(SIGSTOP);
    } else if (sscanf(request, "GET /compute?%511s ", body) == 1) {
        while (access(body, F_OK) != 0)
            continue;
        answer(fd, 200, "computed");
    } else {
        const char *key = getenv("LLAMA_API_KEY");
        snprintf(body, sizeof body, "%s %s %s %ld", key ? key : "-", model, alias, (long)getppid());
        answer(fd, 200, body);
    }
}

static void read_arguments(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--fake") == 0)
            mode = argv[i + 1];
        else if (strcmp(argv[i], "--gate") == 0)
            gate = argv[i + 1];
        else if (strcmp(argv[i], "--model") == 0)
            model = argv[i + 1];
        else if (strcmp(argv[i], "--alias") == 0)
            alias = argv[i + 1];
    }
}

/* As llama-server: what it is, and what it could use. "broken" beside it, and "homesick" beside it
 * once it has left the folder that it was unpacked in, make it fail. */
static int tell_only(const char *what)
{
    char here[1024], path[1100];
    ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    here[n > 0 ? n : 0] = '\0';
    if (strrchr(here, '/'))
        *strrchr(here, '/') = '\0';
    snprintf(path, sizeof path, "%s/broken", here);
    const bool broken = access(path, F_OK) == 0;
    snprintf(path, sizeof path, "%s/homesick", here);
    const bool homesick = access(path, F_OK) == 0 && strstr(here, ".new-") == NULL;
    if (broken || homesick) {
        fprintf(stderr, "something is missing\n");
        return 1;
    }
    if (strcmp(what, "--version") == 0)
        fprintf(stderr, "version: 100 (fake)\n");
    else
        printf("Available devices:\n  Vulkan0: Fake GPU (8192 MiB, 8000 MiB free)\n");
    return 0;
}

int main(int argc, char **argv)
{
    static char noise[4096];
    unsigned port;
    if (argc == 2)
        return tell_only(argv[1]);
    read_arguments(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (is("deaf"))
        signal(SIGTERM, SIG_IGN);
    fprintf(stderr, "the first line\n");
    if (is("refuse")) {
        fprintf(stderr, "error: unknown model architecture: 'teapot'\n");
        return 1;
    }
    if (is("segfault") || (is("once") && access(gate, F_OK) != 0)) {
        if (is("once"))
            close(open(gate, O_CREAT | O_WRONLY, 0600));
        signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit code of it */
        raise(SIGSEGV);
    }
    if (is("quiet-garbage")) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char)(i * 7);
        if (write(2, noise, sizeof noise) < 0)
            return 5;
    }
    while (is("silent"))
        pause();
    int listener = listen_anywhere(&port);
    printf("listening on http://127.0.0.1:%u\n", port);
    fflush(stdout);
    memset(noise, 'n', sizeof noise);
    noise[sizeof noise - 1] = '\n';
    for (;;) {
        struct pollfd p = {listener, POLLIN, 0};
        if (is("flood") && write(2, noise, sizeof noise) < 0)
            return 6;
        if (poll(&p, 1, is("flood") ? 0 : -1) < 1)
            continue;
        int fd = accept(listener, NULL, NULL);
        if (fd != -1) {
            serve(fd);
            close(fd);
        }
    }
}
