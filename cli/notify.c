/* One datagram a message, to the socket that systemd has left in the environment. */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "/path", or "@name" for one without a file. Returns the length of the address, 0: there is none
 * that can be used. */
static socklen_t manager_address (struct sockaddr_un *address)
{
    const char *path = getenv ("NOTIFY_SOCKET");
    size_t length = path != NULL ? strlen (path) : 0;
    if (length < 2 || length >= sizeof address->sun_path || (*path != '/' && *path != '@'))
        return 0;
    memset (address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy (address->sun_path, path, length);
    if (*path == '@')
        address->sun_path[0] = '\0';
    return (socklen_t) (offsetof (struct sockaddr_un, sun_path) + length);
}

bool notify_is_on (void)
{
    struct sockaddr_un address;
    return manager_address (&address) != 0;
}

void notify_send (const char *text)
{
    struct sockaddr_un address;
    socklen_t length = manager_address (&address);
    int fd = length != 0 ? socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    ssize_t ignored =
        sendto (fd, text, strlen (text), MSG_NOSIGNAL, (const struct sockaddr *) &address, length);
    (void) ignored;
    close (fd);
}

/* The number in a variable of the environment; 0: it is not set, or no number. */
static uint64_t number_of (const char *name)
{
    const char *text = getenv (name);
    char *end = NULL;
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    unsigned long long number = strtoull (text, &end, 10);
    return *end == '\0' ? number : 0;
}

uint64_t notify_watchdog_ms (void)
{
    uint64_t us = number_of ("WATCHDOG_USEC");
    uint64_t pid = number_of ("WATCHDOG_PID"); /* a parent's watchdog is none of ours */
    if (!notify_is_on () || us == 0 || (pid != 0 && pid != (uint64_t) getpid ()))
        return 0;
    return us < 1000 ? 1 : us / 1000;
}
