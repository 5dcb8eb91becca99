/* SPDX-License-Identifier: MIT
 *
 * server.c - server.h over the commands `hearth open --print` and `hearth serve`.
 *
 * A server that is started here is the leader of a session of its own and writes into a file, so
 * that it can outlive the window.
 */
#include "desktop/server.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 30000, ASK_EVERY_MS = 150, END_MS = 15000, STATE_FOLDER_MODE = 0700 };

char *server_state_file(const char *name)
{
    char *folder = g_build_filename(g_get_user_state_dir(), "hearth", NULL);
    g_mkdir_with_parents(folder, STATE_FOLDER_MODE);
    char *path = g_build_filename(folder, name, NULL);
    g_free(folder);
    return path;
}

/* $HEARTH, or the program beside this one, or that of PATH. */
static char *find_program(void)
{
    const char *chosen = g_getenv("HEARTH");
    if (chosen && chosen[0])
        return g_strdup(chosen);
    char *self = g_file_read_link("/proc/self/exe", NULL);
    char *folder = self ? g_path_get_dirname(self) : NULL;
    char *beside = folder ? g_build_filename(folder, "hearth", NULL) : NULL;
    g_free(self);
    g_free(folder);
    if (beside && g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE))
        return beside;
    g_free(beside);
    return g_strdup("hearth");
}

/* Of a server that runs; NULL: none does. */
static char *ask_address(const server *s, GError **error)
{
    char command[] = "open", flag[] = "--print";
    char *argv[] = {s->program, command, flag, NULL};
    char *out = NULL;
    int status = 0;
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                      NULL, &out, NULL, &status, error))
        return NULL;
    if (status != 0 || !g_str_has_prefix(out, "http")) {
        g_free(out);
        return NULL;
    }
    return g_strchomp(out);
}

static void lead_session(gpointer unused)
{
    (void)unused;
    setsid();
}

static gboolean start(server *s, const char *log_path, GError **error)
{
    const char *const argv[] = {s->program, "serve", NULL};
    int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s cannot be written: %s",
                    log_path, g_strerror(errno));
        return FALSE;
    }
    gboolean begun = g_spawn_async_with_pipes_and_fds(
        NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, lead_session, NULL, -1,
        log, log, NULL, NULL, 0, &s->started, NULL, NULL, NULL, error);
    close(log);
    return begun;
}

/* Whether the process has ended; then it is reaped. */
static gboolean has_ended(server *s)
{
    if (waitpid(s->started, NULL, WNOHANG) != s->started)
        return FALSE;
    s->started = 0;
    return TRUE;
}

gboolean server_find(server *s, GError **error)
{
    GError *problem = NULL;
    s->program = find_program();
    s->address = ask_address(s, &problem);
    if (s->address)
        return TRUE;
    if (problem) {
        g_propagate_prefixed_error(error, problem, "%s: ", s->program);
        return FALSE;
    }
    char *log_path = server_state_file("desktop.log");
    gboolean found = FALSE;
    if (start(s, log_path, error)) {
        for (int waited = 0; waited < START_MS && !s->address && !has_ended(s);
             waited += ASK_EVERY_MS) {
            g_usleep(ASK_EVERY_MS * 1000);
            s->address = ask_address(s, NULL);
        }
        found = s->address != NULL;
        if (!found)
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "hearth serve did not start; see %s",
                        log_path);
    }
    g_free(log_path);
    return found;
}

void server_forget(server *s, gboolean stay)
{
    if (s->started && !stay) {
        kill(s->started, SIGTERM);
        for (int waited = 0; waited < END_MS && !has_ended(s); waited += ASK_EVERY_MS)
            g_usleep(ASK_EVERY_MS * 1000);
    }
    g_free(s->program);
    g_free(s->address);
    memset(s, 0, sizeof *s);
}
