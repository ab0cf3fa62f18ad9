/* Visibility of the public symbols; nothing here is for applications. */
#ifndef ZFERRY_EXPORT_H
#define ZFERRY_EXPORT_H

#if defined(__GNUC__)
#define ZF_API          __attribute__ ((visibility ("default")))
#define ZF_PRINTF(f, a) __attribute__ ((format (printf, f, a)))
#else
#define ZF_API
#define ZF_PRINTF(f, a)
#endif

#endif
