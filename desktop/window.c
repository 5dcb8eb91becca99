/* SPDX-License-Identifier: MIT
 *
 * window.c - the window of window.h.
 *
 * The page stays where it came from: whatever leads elsewhere goes to the browser. Size and choice
 * lie in a key file of the state folder. Nothing is asked of the user but what the menu offers.
 */
#include "desktop/window.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <webkit2/webkit2.h>

#include "desktop/server.h"

enum { WIDTH = 1200, HEIGHT = 820, LEAST_WIDTH = 360, LEAST_HEIGHT = 480, PATIENCE_S = 40 };

typedef struct window {
    GtkWidget *frame;
    WebKitWebView *view;
    char *origin; /* "http://127.0.0.1:8080" */
    GKeyFile *kept;
    char *kept_path;
    gboolean started; /* the server is there for this window */
    window_background background;
    guint patience; /* the timer that runs until the page is there; 0: it is */
    window_end end;
} window;

static void finish(window *w, window_end end)
{
    w->end = end;
    gtk_main_quit();
}

/* ---- what is kept ---- */

static int kept_number(const window *w, const char *key, int usual, int least)
{
    GError *error = NULL;
    int value = g_key_file_get_integer(w->kept, "window", key, &error);
    if (error || value < least)
        value = usual;
    g_clear_error(&error);
    return value;
}

static gboolean kept_flag(const window *w, const char *key)
{
    return g_key_file_get_boolean(w->kept, "window", key, NULL);
}

/* The size of a maximized window is the screen's, and none to come back to. */
static void keep_size(const window *w)
{
    int width, height;
    gboolean maximized = gtk_window_is_maximized(GTK_WINDOW(w->frame));
    g_key_file_set_boolean(w->kept, "window", "maximized", maximized);
    if (maximized)
        return;
    gtk_window_get_size(GTK_WINDOW(w->frame), &width, &height);
    g_key_file_set_integer(w->kept, "window", "width", width);
    g_key_file_set_integer(w->kept, "window", "height", height);
}

/* ---- what leads elsewhere ---- */

static gboolean is_ours(const window *w, const char *uri)
{
    size_t n = strlen(w->origin);
    return strncmp(uri, w->origin, n) == 0 && (uri[n] == '\0' || uri[n] == '/' || uri[n] == '#');
}

static void show_elsewhere(const window *w, const char *uri)
{
    static const char *const schemes[] = {"http:", "https:", "mailto:"};
    for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (g_ascii_strncasecmp(uri, schemes[i], strlen(schemes[i])) == 0)
            gtk_show_uri_on_window(GTK_WINDOW(w->frame), uri, GDK_CURRENT_TIME, NULL);
    }
}

static gboolean on_policy(WebKitWebView *view, WebKitPolicyDecision *decision,
                          WebKitPolicyDecisionType type, gpointer user)
{
    const window *w = user;
    (void)view;
    if (type == WEBKIT_POLICY_DECISION_TYPE_RESPONSE)
        return FALSE;
    WebKitNavigationAction *action = webkit_navigation_policy_decision_get_navigation_action(
        WEBKIT_NAVIGATION_POLICY_DECISION(decision));
    const char *uri = webkit_uri_request_get_uri(webkit_navigation_action_get_request(action));
    if (g_str_has_prefix(uri, "blob:"))
        return FALSE; /* a file that the page offers to keep */
    if (type == WEBKIT_POLICY_DECISION_TYPE_NAVIGATION_ACTION && is_ours(w, uri))
        return FALSE;
    webkit_policy_decision_ignore(decision);
    show_elsewhere(w, uri);
    return TRUE;
}

/* ---- how the page fares ---- */

static gboolean on_impatience(gpointer user)
{
    window *w = user;
    w->patience = 0;
    finish(w, WINDOW_BROKEN);
    return G_SOURCE_REMOVE;
}

static void on_load(WebKitWebView *view, WebKitLoadEvent event, gpointer user)
{
    window *w = user;
    (void)view;
    if (event >= WEBKIT_LOAD_COMMITTED && w->patience) {
        g_source_remove(w->patience);
        w->patience = 0;
    }
}

static gboolean on_load_failed(WebKitWebView *view, WebKitLoadEvent event, const char *uri,
                               GError *error, gpointer user)
{
    (void)view, (void)event, (void)uri;
    if (error->domain == WEBKIT_POLICY_ERROR) /* it went to the browser, or became a download */
        return FALSE;
    finish(user, WINDOW_BROKEN);
    return TRUE;
}

static void on_crash(WebKitWebView *view, WebKitWebProcessTerminationReason reason, gpointer user)
{
    (void)view, (void)reason;
    finish(user, WINDOW_BROKEN);
}

static void on_title(WebKitWebView *view, GParamSpec *spec, gpointer user)
{
    const window *w = user;
    const char *title = webkit_web_view_get_title(view);
    (void)spec;
    gtk_window_set_title(GTK_WINDOW(w->frame), title && title[0] ? title : "Hearth");
}

/* ---- the window ---- */

static void on_stay(GtkCheckMenuItem *item, gpointer user)
{
    window *w = user;
    g_key_file_set_boolean(w->kept, "window", "background", gtk_check_menu_item_get_active(item));
    w->background = BACKGROUND_ASK; /* what was chosen last holds */
}

static void on_reload(GtkMenuItem *item, gpointer user)
{
    const window *w = user;
    (void)item;
    webkit_web_view_reload(w->view);
}

static void on_browser(GtkMenuItem *item, gpointer user)
{
    const window *w = user;
    (void)item;
    show_elsewhere(w, g_object_get_data(G_OBJECT(w->frame), "address"));
}

static gboolean has_chosen(const window *w)
{
    return g_key_file_has_key(w->kept, "window", "background", NULL);
}

/* Closing the question itself leaves the window as it is. */
static gboolean ask_for_background(window *w)
{
    GtkWidget *question = gtk_message_dialog_new(
        GTK_WINDOW(w->frame), GTK_DIALOG_MODAL | GTK_DIALOG_DESTROY_WITH_PARENT,
        GTK_MESSAGE_QUESTION, GTK_BUTTONS_NONE, "Keep Hearth running in the background?");
    GtkWidget *remember = gtk_check_button_new_with_mnemonic("_Do not ask again");
    gtk_message_dialog_format_secondary_text(
        GTK_MESSAGE_DIALOG(question),
        "Answers that are being written are finished, and other programs can go on using its "
        "models. The menu of the window changes the choice.");
    gtk_dialog_add_buttons(GTK_DIALOG(question), "_Stop it", GTK_RESPONSE_NO, "_Keep running",
                           GTK_RESPONSE_YES, NULL);
    gtk_dialog_set_default_response(GTK_DIALOG(question), GTK_RESPONSE_NO);
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(remember), TRUE);
    gtk_container_add(
        GTK_CONTAINER(gtk_message_dialog_get_message_area(GTK_MESSAGE_DIALOG(question))), remember);
    gtk_widget_show_all(question);
    int said = gtk_dialog_run(GTK_DIALOG(question));
    gboolean kept = gtk_toggle_button_get_active(GTK_TOGGLE_BUTTON(remember));
    gtk_widget_destroy(question);
    if (said != GTK_RESPONSE_YES && said != GTK_RESPONSE_NO)
        return FALSE;
    w->background = said == GTK_RESPONSE_YES ? BACKGROUND_KEEP : BACKGROUND_STOP;
    if (kept)
        g_key_file_set_boolean(w->kept, "window", "background", said == GTK_RESPONSE_YES);
    return TRUE;
}

static gboolean on_close(GtkWidget *frame, GdkEvent *event, gpointer user)
{
    window *w = user;
    (void)frame, (void)event;
    if (!w->started || w->background != BACKGROUND_ASK || has_chosen(w) || ask_for_background(w))
        finish(w, WINDOW_CLOSED);
    return TRUE; /* it is destroyed when all is kept */
}

static gboolean on_signal(gpointer user)
{
    finish(user, WINDOW_CLOSED);
    return G_SOURCE_CONTINUE;
}

static gboolean keeps_running(const window *w)
{
    return w->background == BACKGROUND_ASK ? kept_flag(w, "background")
                                           : w->background == BACKGROUND_KEEP;
}

static void add_menu(window *w, GtkWidget *bar)
{
    GtkWidget *button = gtk_menu_button_new();
    GtkWidget *menu = gtk_menu_new();
    GtkWidget *reload = gtk_menu_item_new_with_mnemonic("_Reload");
    GtkWidget *browser = gtk_menu_item_new_with_mnemonic("_Open in the browser");
    GtkWidget *stay = gtk_check_menu_item_new_with_mnemonic("_Keep running in the background");
    gtk_check_menu_item_set_active(GTK_CHECK_MENU_ITEM(stay), keeps_running(w));
    g_signal_connect(stay, "toggled", G_CALLBACK(on_stay), w);
    g_signal_connect(reload, "activate", G_CALLBACK(on_reload), w);
    g_signal_connect(browser, "activate", G_CALLBACK(on_browser), w);
    gtk_menu_shell_append(GTK_MENU_SHELL(menu), reload);
    gtk_menu_shell_append(GTK_MENU_SHELL(menu), browser);
    gtk_menu_shell_append(GTK_MENU_SHELL(menu), gtk_separator_menu_item_new());
    gtk_menu_shell_append(GTK_MENU_SHELL(menu), stay);
    gtk_widget_show_all(menu);
    gtk_menu_button_set_popup(GTK_MENU_BUTTON(button), menu);
    gtk_button_set_image(GTK_BUTTON(button),
                         gtk_image_new_from_icon_name("open-menu-symbolic", GTK_ICON_SIZE_BUTTON));
    gtk_widget_set_tooltip_text(button, "Menu");
    gtk_header_bar_pack_end(GTK_HEADER_BAR(bar), button);
}

/* What the page keeps (its look, its key) lies in a folder of Hearth's own. */
static WebKitWebView *make_view(void)
{
    char *data = g_build_filename(g_get_user_data_dir(), "hearth", "desktop", NULL);
    char *cache = g_build_filename(g_get_user_cache_dir(), "hearth", "desktop", NULL);
    WebKitWebsiteDataManager *manager = webkit_website_data_manager_new(
        "base-data-directory", data, "base-cache-directory", cache, NULL);
    WebKitWebContext *context = webkit_web_context_new_with_website_data_manager(manager);
    WebKitWebView *view = WEBKIT_WEB_VIEW(webkit_web_view_new_with_context(context));
    WebKitSettings *settings = webkit_web_view_get_settings(view);
    webkit_settings_set_enable_developer_extras(settings, FALSE);
    webkit_settings_set_javascript_can_access_clipboard(settings, TRUE);
    g_object_unref(context);
    g_object_unref(manager);
    g_free(data);
    g_free(cache);
    return view;
}

static void build(window *w, const char *address)
{
    GtkWidget *bar = gtk_header_bar_new();
    w->frame = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    w->view = make_view();
    g_object_set_data_full(G_OBJECT(w->frame), "address", g_strdup(address), g_free);
    gtk_window_set_title(GTK_WINDOW(w->frame), "Hearth");
    gtk_window_set_icon_name(GTK_WINDOW(w->frame), "hearth");
    gtk_window_set_default_size(GTK_WINDOW(w->frame), kept_number(w, "width", WIDTH, LEAST_WIDTH),
                                kept_number(w, "height", HEIGHT, LEAST_HEIGHT));
    if (kept_flag(w, "maximized"))
        gtk_window_maximize(GTK_WINDOW(w->frame));
    gtk_header_bar_set_show_close_button(GTK_HEADER_BAR(bar), TRUE);
    add_menu(w, bar);
    gtk_window_set_titlebar(GTK_WINDOW(w->frame), bar);
    gtk_container_add(GTK_CONTAINER(w->frame), GTK_WIDGET(w->view));
    g_signal_connect(w->frame, "delete-event", G_CALLBACK(on_close), w);
    g_signal_connect(w->view, "decide-policy", G_CALLBACK(on_policy), w);
    g_signal_connect(w->view, "load-changed", G_CALLBACK(on_load), w);
    g_signal_connect(w->view, "load-failed", G_CALLBACK(on_load_failed), w);
    g_signal_connect(w->view, "web-process-terminated", G_CALLBACK(on_crash), w);
    g_signal_connect(w->view, "notify::title", G_CALLBACK(on_title), w);
}

window_end window_run(const char *address, gboolean started, window_background background,
                      gboolean *stay)
{
    window w = {.kept = g_key_file_new(),
                .kept_path = server_state_file("window"),
                .started = started,
                .background = background};
    const char *path = strstr(address, "://");
    path = path ? strchr(path + 3, '/') : NULL;
    w.origin = path ? g_strndup(address, (gsize)(path - address)) : g_strdup(address);
    g_key_file_load_from_file(w.kept, w.kept_path, G_KEY_FILE_NONE, NULL);
    build(&w, address);
    w.patience = g_timeout_add_seconds(PATIENCE_S, on_impatience, &w);
    guint signals[] = {g_unix_signal_add(SIGTERM, on_signal, &w),
                       g_unix_signal_add(SIGINT, on_signal, &w)};
    webkit_web_view_load_uri(w.view, address);
    gtk_widget_show_all(w.frame);
    gtk_main();

    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        g_source_remove(signals[i]);
    if (w.patience)
        g_source_remove(w.patience);
    keep_size(&w);
    *stay = keeps_running(&w);
    g_key_file_save_to_file(w.kept, w.kept_path, NULL);
    g_signal_handlers_disconnect_by_data(w.view, &w);
    gtk_widget_destroy(w.frame);
    g_key_file_unref(w.kept);
    g_free(w.kept_path);
    g_free(w.origin);
    return w.end;
}
