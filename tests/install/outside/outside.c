/* A program outside of the project: it knows zferry by its installation only. Both C and C++. */
#include <stdio.h>
#include <string.h>
#include <zferry/zferry.h>

int main (void)
{
    if (strlen (zf_strerror (ZF_E_TIMEOUT)) == 0)
        return 1;
    puts (zf_version ());
    return 0;
}
