/* The page's files, as they lie in web/page: what a browser fetches first. They hold nothing of the
 * broker's, so that everybody may have them. */
#ifndef ZF_WEB_PAGE_H
#define ZF_WEB_PAGE_H

#include <stddef.h>

typedef struct {
    const char *path; /* "/index.html" */
    const unsigned char *data;
    size_t size;
    const char *tag; /* changes with the data: an ETag, in its quotes */
} zf_web_asset_t;

extern const zf_web_asset_t zf_web_assets[]; /* path NULL behind the last */

/* The file that is served at this path; NULL: none. */
const zf_web_asset_t *zf_web_asset (const char *path);

/* Its media type. */
const char *zf_web_asset_type (const zf_web_asset_t *asset);

#endif
