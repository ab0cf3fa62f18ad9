#include "web/page.h"

#include <string.h>

static const struct {
    const char *end;
    const char *type;
} types[] = {{".html", "text/html; charset=utf-8"},
             {".js", "text/javascript; charset=utf-8"},
             {".css", "text/css; charset=utf-8"},
             {".svg", "image/svg+xml"}};

const zf_web_asset_t *zf_web_asset (const char *path)
{
    const char *wanted = strcmp (path, "/") == 0 ? "/index.html" : path;
    for (const zf_web_asset_t *asset = zf_web_assets; asset->path != NULL; asset++)
        if (strcmp (asset->path, wanted) == 0)
            return asset;
    return NULL;
}

const char *zf_web_asset_type (const zf_web_asset_t *asset)
{
    size_t size = strlen (asset->path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t end = strlen (types[i].end);
        if (size > end && strcmp (asset->path + size - end, types[i].end) == 0)
            return types[i].type;
    }
    return "text/plain; charset=utf-8";
}
