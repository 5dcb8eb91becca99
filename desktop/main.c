/* SPDX-License-Identifier: MIT
 *
 * main.c - hearth-desktop: Hearth's page in a window of its own.
 *
 * The window is a convenience, never a condition. Where it cannot be shown the browser is tried,
 * and where there is none the address is printed, so that the page can be reached every time. Exit
 * codes: 0 the page was shown or its address printed, 1 there is no server, 2 wrong usage.
 */
#include <gtk/gtk.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "desktop/server.h"
#include "desktop/window.h"

static const char usage[] =
    "usage: hearth-desktop [--browser | --background keep|stop|ask]\n"
    "Shows the page of the running 'hearth serve' in a window; starts one if none runs.\n"
    "  --browser          use the browser instead of a window\n"
    "  --background WHAT  whether a server that was started for the window goes on when it is\n"
    "                     closed: keep, stop, or ask (the default: what was chosen before, else\n"
    "                     it asks)\n"
    "Without a desktop the address is printed. $HEARTH names the program 'hearth'.\n";

static gboolean has_desktop(void)
{
    return g_getenv("DISPLAY") != NULL || g_getenv("WAYLAND_DISPLAY") != NULL;
}

static gboolean open_browser(const char *address)
{
    char program[] = "xdg-open";
    char *argv[] = {program, (char *)(uintptr_t)address, NULL};
    int status = 0;
    return has_desktop() &&
           g_spawn_sync(NULL, argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                            G_SPAWN_STDERR_TO_DEV_NULL,
                        NULL, NULL, NULL, NULL, &status, NULL) &&
           status == 0;
}

/* Without a window nobody would close, a server that was started stays. */
static void do_without_window(const char *address)
{
    if (!open_browser(address))
        printf("open %s\n", address);
}

static gboolean read_background(const char *word, window_background *out)
{
    static const char *const words[] = {"ask", "keep", "stop"};
    for (int i = BACKGROUND_ASK; i <= BACKGROUND_STOP; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (window_background)i;
            return TRUE;
        }
    }
    return FALSE;
}

int main(int argc, char **argv)
{
    server found = {0};
    GError *error = NULL;
    gboolean stay = TRUE;
    window_background background = BACKGROUND_ASK;
    gboolean browser = argc == 2 && strcmp(argv[1], "--browser") == 0;
    gboolean chosen =
        argc == 3 && strcmp(argv[1], "--background") == 0 && read_background(argv[2], &background);
    if (argc > 1 && !browser && !chosen) {
        gboolean help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
        fputs(usage, help ? stdout : stderr);
        return help ? 0 : 2;
    }
    g_set_prgname("hearth-desktop");
    if (!server_find(&found, &error)) {
        fprintf(stderr, "hearth-desktop: %s\n", error->message);
        g_error_free(error);
        server_forget(&found, FALSE);
        return 1;
    }
    if (browser || !has_desktop() || !gtk_init_check(&argc, &argv) ||
        window_run(found.address, found.started != 0, background, &stay) == WINDOW_BROKEN) {
        stay = TRUE;
        do_without_window(found.address);
    }
    server_forget(&found, stay);
    return 0;
}
