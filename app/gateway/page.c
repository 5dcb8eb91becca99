/* SPDX-License-Identifier: MIT
 *
 * page.c - GET of the page and its files.
 *
 * Every path that is no file and no part of an API is the page: it reads its address itself.
 * The policy lets the page run and ask nothing but what comes from here, so that a model's answer
 * which gets into it as markup can neither run nor tell anybody anything.
 */
#include <string.h>

#include "gateway/assets.h"
#include "gateway/handlers.h"

#define PAGE_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "    \
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; "    \
    "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "                \
    "frame-ancestors 'none'"

static const char not_built[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Hearth</title>"
    "<h1>Hearth is running</h1><p>This build has no page. To build one: <code>cd ui &amp;&amp; npm "
    "ci "
    "&amp;&amp; npm run build</code>, then <code>make</code>.</p><p>The APIs answer: see "
    "<a href=\"/hearth/openapi.json\">/hearth/openapi.json</a>.</p></html>\n";

const asset *asset_find(const char *path)
{
    for (size_t i = 0; i < n_assets; i++) {
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    }
    return NULL;
}

static bool is_api(const char *path)
{
    return strncmp(path, "/hearth/", 8) == 0 || strncmp(path, "/v1/", 4) == 0 ||
           strncmp(path, "/api/", 5) == 0;
}

static const asset *find_file(const char *path)
{
    const asset *file = asset_find(path);
    const char *last = strrchr(path, '/');
    if (file == NULL && !is_api(path) && (last == NULL || strchr(last, '.') == NULL))
        file = asset_find("/index.html");
    return file;
}

static void add_safety(http_reply *out)
{
    http_reply_header(out, "Content-Security-Policy", PAGE_POLICY);
    http_reply_header(out, "Referrer-Policy", "no-referrer");
    http_reply_header(out, "Cross-Origin-Opener-Policy", "same-origin");
    http_reply_header(out, "Cross-Origin-Resource-Policy", "same-origin");
}

static bool takes_gzip(const http_request *q)
{
    const char *accepts = http_request_header(q, "Accept-Encoding");
    return accepts && strstr(accepts, "gzip") && strstr(accepts, "gzip;q=0") == NULL;
}

static hearth_status send_file(gateway_call *c, const asset *file, hearth_error *err)
{
    http_reply *out = c->reply;
    const char *known = http_request_header(c->q, "If-None-Match");
    bool hashed = strncmp(file->path, "/assets/", 8) == 0;
    add_safety(out);
    http_reply_header(out, "ETag", file->etag);
    http_reply_header(out, "Cache-Control",
                      hashed ? "public, max-age=31536000, immutable" : "no-cache");
    out->content_type = file->type;
    if (known && strstr(known, file->etag)) {
        out->status = 304;
        return HEARTH_OK;
    }
    bool gzip = takes_gzip(c->q) && file->gzip_end - file->gzip < file->bytes_end - file->bytes;
    const unsigned char *from = gzip ? file->gzip : file->bytes;
    const unsigned char *to = gzip ? file->gzip_end : file->bytes_end;
    if (gzip)
        http_reply_header(out, "Content-Encoding", "gzip");
    if (!buf_append(&out->body, from, (size_t)(to - from)))
        return error_no_memory(err, file->path, (size_t)(to - from));
    return HEARTH_OK;
}

hearth_status serve_page(gateway_call *c, hearth_error *err)
{
    const asset *file = find_file(c->q->path);
    if (file)
        return send_file(c, file, err);
    if (n_assets > 0 || strcmp(c->q->path, "/") != 0)
        FAIL(err, ENOTFOUND, "path", "there is nothing at %.200s", c->q->path);
    add_safety(c->reply);
    c->reply->content_type = "text/html; charset=utf-8";
    if (!buf_append_text(&c->reply->body, not_built))
        return error_no_memory(err, "the page", sizeof not_built);
    return HEARTH_OK;
}
