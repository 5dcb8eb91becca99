/* SPDX-License-Identifier: MIT
 *
 * terminal.c - see terminal.h.
 */
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/interrupt.h"
#include "os/clock.h"

enum { WIDTH_DEFAULT = 80, WIDTH_MIN = 40, WIDTH_MAX = 100, BAR_CELLS = 24 };

static const uint64_t second_ns = 1000000000;
static const uint64_t redraw_ns = 100000000;

static bool progress_on_screen;

bool terminal_is_tty(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

bool terminal_has_color(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0 &&
           terminal_is_tty(stream);
}

int terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

/* C0, DEL and C1: what a terminal obeys instead of showing. */
static bool is_control(uint32_t code_point)
{
    return (code_point < 0x20 && code_point != '\n' && code_point != '\t') ||
           (code_point >= 0x7f && code_point < 0xa0);
}

void terminal_write_safe(FILE *stream, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t code_point;
        char shown[4];
        i += utf8_decode(text + i, n - i, &code_point);
        fwrite(shown, 1, utf8_encode(is_control(code_point) ? 0xfffd : code_point, shown), stream);
    }
}

/* ---- progress ---- */

void terminal_clear_progress(void)
{
    if (!progress_on_screen)
        return;
    progress_on_screen = false;
    fprintf(stderr, "\r%*s\r", WIDTH_DEFAULT - 1, "");
    fflush(stderr);
}

void progress_start(progress_bar *bar, const char *label)
{
    *bar = (progress_bar){
        .label = label, .started_ns = clock_now_ns(), .enabled = terminal_is_tty(stderr)};
}

static void draw(const progress_bar *bar, uint64_t done, uint64_t total, uint64_t elapsed_ns)
{
    double share = (double)done / (double)total;
    int filled = (int)(share * BAR_CELLS);
    bool color = terminal_has_color(stderr);
    char cells[BAR_CELLS + 1], left[32] = "";
    memset(cells, '.', BAR_CELLS);
    memset(cells, '#', (size_t)filled);
    cells[BAR_CELLS] = '\0';
    if (share > 0)
        snprintf(left, sizeof left, "%.0f s left",
                 (double)elapsed_ns / (double)second_ns * (1 - share) / share);
    fprintf(stderr, "\r%-24.24s %s%.*s%s%s %3d%%  %-14.14s", bar->label, color ? "\033[36m" : "",
            filled, cells, color ? "\033[0m" : "", cells + filled, (int)(share * 100), left);
    fflush(stderr);
    progress_on_screen = true;
}

bool progress_update(void *user, uint64_t done, uint64_t total)
{
    progress_bar *bar = user;
    uint64_t now = clock_now_ns();
    if (bar->enabled && total > 0 && done <= total && now - bar->started_ns >= second_ns &&
        (!progress_on_screen || now - bar->drawn_ns >= redraw_ns)) {
        draw(bar, done, total, now - bar->started_ns);
        bar->drawn_ns = now;
    }
    return !interrupt_pending();
}

void progress_end(progress_bar *bar)
{
    bar->enabled = false;
    terminal_clear_progress();
}

hearth_progress progress_callback(progress_bar *bar)
{
    return (hearth_progress){.fn = progress_update, .user = bar};
}
