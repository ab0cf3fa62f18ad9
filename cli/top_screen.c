/* The terminal. What has been changed of it is put back by screen_leave, which uses nothing but
 * write and tcsetattr, so that any signal's handler may call it. */
#include "signals.h"
#include "top.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Alternate screen, no cursor, no wrapping; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[2J"
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

enum { KEYS_SIZE = 128, ESCAPE_WAIT_MS = 20 };

static struct {
    struct termios before;         /* as the terminal was */
    atomic_bool entered;           /* it is ours now */
    atomic_bool opened;            /* between screen_open and screen_close */
    int turn[2];                   /* a pipe: what a signal's handler has to tell */
    unsigned char keys[KEYS_SIZE]; /* read and not yet taken */
    size_t key_count;
} screen = {.turn = {-1, -1}};

/* -- entering and leaving ---------------------------------------------------------------------- */

static bool write_all (const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write (STDOUT_FILENO, text, size);
        if (n < 0 && errno == EAGAIN) { /* somebody has made the terminal non-blocking */
            struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
            poll (&out, 1, -1);
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t) n : 0;
    }
    return true;
}

static void screen_leave (void)
{
    int saved = errno;
    if (atomic_exchange (&screen.entered, false)) {
        ssize_t ignored = write (STDOUT_FILENO, LEAVE, sizeof LEAVE - 1);
        (void) ignored;
        tcsetattr (STDIN_FILENO, TCSANOW, &screen.before);
    }
    errno = saved;
}

/* Not while the shell has the terminal. Returns 0 or an errno. */
static int screen_enter (void)
{
    pid_t front = tcgetpgrp (STDIN_FILENO); /* -1: it is nobody's */
    if (front >= 0 && front != getpgrp ())
        return 0;
    struct termios ours;
    if (tcgetattr (STDIN_FILENO, &ours) != 0)
        return errno;
    if (!atomic_load (&screen.entered))
        screen.before = ours;
    ours.c_lflag &= ~(tcflag_t) (ICANON | ECHO); /* Ctrl-C and Ctrl-Z stay signals */
    ours.c_cc[VMIN] = 1;
    ours.c_cc[VTIME] = 0;
    atomic_store (&screen.entered, true);
    if (tcsetattr (STDIN_FILENO, TCSANOW, &ours) != 0)
        return errno;
    return write_all (ENTER, sizeof ENTER - 1) ? 0 : EIO;
}

/* -- signals ----------------------------------------------------------------------------------- */

static void tell_turn (void)
{
    int saved = errno;
    ssize_t ignored = write (screen.turn[1], "", 1);
    (void) ignored;
    errno = saved;
}

static void on_turn (int number)
{
    (void) number;
    tell_turn ();
}

/* Ctrl-Z: the shell gets its terminal back; SIGCONT brings us on the screen again. */
static void on_stop (int number)
{
    (void) number;
    screen_leave ();
    raise (SIGSTOP);
}

/* Signals that end a program, and what would have happened at each. */
static const int ends[] = {SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS,  SIGILL,
                           SIGFPE, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
enum { ENDS = sizeof ends / sizeof ends[0] };
static struct sigaction endings[ENDS];

/* Ends as if nobody had caught it: a core is dumped where one is due. */
static void on_end (int number)
{
    screen_leave ();
    for (size_t i = 0; i < ENDS; i++)
        if (ends[i] == number)
            sigaction (number, &endings[i], NULL);
    raise (number);
}

static void catch (int number, void (*handler) (int), struct sigaction *before)
{
    struct sigaction action;
    memset (&action, 0, sizeof action);
    sigemptyset (&action.sa_mask);
    action.sa_handler = handler;
    sigaction (number, &action, before);
    if (before != NULL && before->sa_handler == SIG_IGN) /* nohup */
        sigaction (number, before, NULL);
}

static void catch_signals (void)
{
    for (size_t i = 0; i < ENDS; i++)
        catch (ends[i], on_end, &endings[i]);
    catch (SIGTSTP, on_stop, NULL);
    catch (SIGCONT, on_turn, NULL);
    catch (SIGWINCH, on_turn, NULL);
    catch (SIGTTOU, SIG_IGN,
           NULL); /* ended in the background, it still may put the terminal right */
    signals_at_end (screen_leave);
}

/* -- its life ---------------------------------------------------------------------------------- */

int screen_open (const cli_t *cli)
{
    static bool again;
    if (pipe2 (screen.turn, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail (cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    if (!again && atexit (screen_leave) != 0)
        return cli_fail (cli, EX_OSERR, "out of memory");
    again = true;
    catch_signals ();
    atomic_store (&screen.opened, true);
    int rc = screen_enter ();
    if (rc == 0)
        return 0;
    screen_close ();
    return cli_fail (cli, EX_IOERR, "cannot use the terminal: %s", strerror (rc));
}

void screen_close (void)
{
    atomic_store (&screen.opened, false);
    screen_leave ();
}

int screen_fd (void)
{
    return screen.turn[0];
}

void screen_turned (void)
{
    char bytes[64];
    while (read (screen.turn[0], bytes, sizeof bytes) > 0)
        ;
    if (atomic_load (&screen.opened) && !atomic_load (&screen.entered))
        screen_enter ();
}

void screen_size (size_t *width, size_t *height)
{
    struct winsize size;
    bool known = ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *width = known && size.ws_col > 0 ? size.ws_col : 80;
    *height = known && size.ws_row > 0 ? size.ws_row : 24;
}

/* -- output ------------------------------------------------------------------------------------ */

/* Each line clears what was there, before it is written: behind a line as wide as the screen the
 * cursor stands on its last sign. What is below the last one goes. */
bool screen_show (const char *frame)
{
    char *text = NULL;
    size_t size = 0;
    size_t width = 0;
    size_t height = 0;
    FILE *out = open_memstream (&text, &size);
    if (out == NULL)
        return true; /* the next one may fit */
    screen_size (&width, &height);
    fputs ("\033[H", out);
    for (size_t line = 0; *frame != '\0' && line < height; line++) {
        size_t length = strcspn (frame, "\n");
        fprintf (out, "%s\033[K%.*s", line > 0 ? "\r\n" : "", (int) length, frame);
        frame += length + (frame[length] != '\0');
    }
    fputs ("\033[J", out);
    bool whole = fclose (out) == 0;
    bool ok = !whole || !atomic_load (&screen.entered) || write_all (text, size);
    free (text);
    return ok;
}

/* -- keys -------------------------------------------------------------------------------------- */

/* Reads what is there, waiting so long for it. Returns false at the end. */
static bool read_keys (int wait_ms)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll (&in, 1, wait_ms) <= 0)
        return true;
    ssize_t n = read (STDIN_FILENO, screen.keys + screen.key_count, KEYS_SIZE - screen.key_count);
    screen.key_count += n > 0 ? (size_t) n : 0;
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static void drop_keys (size_t count)
{
    screen.key_count -= count;
    memmove (screen.keys, screen.keys + count, screen.key_count);
}

/* The key of an escape sequence: ESC [ or ESC O, numbers, and the byte that ends it. */
static int take_sequence (void)
{
    static const struct {
        const char *text; /* behind ESC [ or ESC O */
        screen_key_t key;
    } known[] = {{"A", SCREEN_UP},    {"B", SCREEN_DOWN}, {"5~", SCREEN_PAGE_UP},
                 {"H", SCREEN_HOME},  {"F", SCREEN_END},  {"6~", SCREEN_PAGE_DOWN},
                 {"1~", SCREEN_HOME}, {"4~", SCREEN_END}};
    size_t end = 2;
    screen_key_t key = SCREEN_OTHER;
    while (end < screen.key_count && (screen.keys[end] < '@' || screen.keys[end] > '~'))
        end++;
    end += end < screen.key_count;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen (known[i].text) == end - 2 &&
            memcmp (known[i].text, screen.keys + 2, end - 2) == 0)
            key = known[i].key;
    drop_keys (end);
    return (int) key;
}

int screen_key (void)
{
    if (screen.key_count == 0 && !read_keys (0))
        return SCREEN_GONE;
    if (screen.key_count == 0)
        return SCREEN_NONE;
    if (screen.keys[0] != '\033') {
        int key = screen.keys[0];
        drop_keys (1);
        return key;
    }
    if (screen.key_count < 3)
        read_keys (ESCAPE_WAIT_MS); /* the rest of a sequence may be under way */
    if (screen.key_count > 2 && (screen.keys[1] == '[' || screen.keys[1] == 'O'))
        return take_sequence ();
    drop_keys (1);
    return SCREEN_ESCAPE;
}
