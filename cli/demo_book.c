#include "demo.h"

#include <stdlib.h>

bool demo_book_open (demo_book_t *book, const demo_file_t *file, uint64_t total)
{
    *book = (demo_book_t){.file = file, .total = total};
    book->sights = calloc (total, 1);
    return book->sights != NULL;
}

void demo_book_close (demo_book_t *book)
{
    free (book->sights);
    book->sights = NULL;
}

void demo_book_enter (demo_book_t *book, const demo_report_t *report)
{
    const demo_file_t *file = book->file;
    if (report->number >= book->total ||
        report->checksum != file->lines[report->number % file->count].checksum) {
        book->damaged++;
        return;
    }
    unsigned char *sights = &book->sights[report->number];
    book->redelivered += report->attempt > 1 ? 1 : 0;
    book->processed += *sights == 0 ? 1 : 0;
    book->repeated += *sights > 0 ? 1 : 0;
    *sights = (unsigned char) (*sights < 255 ? *sights + 1 : 255);
}

uint64_t demo_book_missing (const demo_book_t *book, uint64_t posted)
{
    uint64_t missing = 0;
    for (uint64_t number = 0; number < posted; number++)
        missing += book->sights[number] == 0 ? 1 : 0;
    return missing;
}
