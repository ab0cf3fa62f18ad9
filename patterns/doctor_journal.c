#include "patterns/doctor.h"

#include "devices/socket.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ROOM_ENOUGH (UINT64_C (1) << 30)
#define ROOM_LEAST  (UINT64_C (128) << 20) /* two segments */
#define SYNC_BYTES  4096
#define NAME        "journal"

static void say_fault (const zf_doctor_t *doctor, const char *dir, int error)
{
    const char *advice = "name another directory";
    if (error == EACCES || error == EPERM)
        advice = "let the user who runs the broker own it";
    else if (error == EROFS)
        advice = "mount it for writing, or name another directory";
    else if (error == ENOSPC || error == EDQUOT)
        advice = "make room there";
    zf_doctor_say (doctor, ZF_DOCTOR_FAIL, NAME, advice, "%s can't be written: %s", dir,
                   strerror (error));
}

/* Writes and syncs a file without a name. Returns 0, or an errno; *ms 0: this file system has no
 * such files. */
static int try_to_sync (const char *dir, uint64_t *ms)
{
    static const uint8_t bytes[SYNC_BYTES];
    *ms = 0;
    if (access (dir, W_OK | X_OK) != 0)
        return errno;
    int fd = open (dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ? 0 : errno;
    uint64_t start_ms = zf_clock_ms ();
    errno = EIO;
    int error = write (fd, bytes, sizeof bytes) == SYNC_BYTES && fdatasync (fd) == 0 ? 0 : errno;
    *ms = zf_clock_ms () - start_ms;
    close (fd);
    return error;
}

static void look_at_writing (const zf_doctor_t *doctor, const char *dir)
{
    uint64_t ms;
    int error = try_to_sync (dir, &ms);
    if (error != 0)
        say_fault (doctor, dir, error);
    else if (ms > 100)
        zf_doctor_say (doctor, ZF_DOCTOR_WARN, NAME, "a faster disk would confirm posts sooner",
                       "%s can be written, but a sync takes %u ms", dir, (unsigned) ms);
    else
        zf_doctor_say (doctor, ZF_DOCTOR_OK, NAME, "", "%s can be written", dir);
}

static void look_at_room (const zf_doctor_t *doctor, const char *dir, const struct statfs *fs)
{
    char text[ZF_DOCTOR_SIZE];
    uint64_t room = (uint64_t) fs->f_bavail * (uint64_t) fs->f_bsize;
    zf_doctor_level_t level = ZF_DOCTOR_OK;
    if (room < ROOM_ENOUGH)
        level = room < ROOM_LEAST ? ZF_DOCTOR_FAIL : ZF_DOCTOR_WARN;
    zf_doctor_say (doctor, level, NAME, level == ZF_DOCTOR_OK ? "" : "make room there",
                   "%s has room for %s", dir, zf_doctor_size (room, text));
}

static void look_at_kind (const zf_doctor_t *doctor, const char *dir, const struct statfs *fs)
{
    if (fs->f_type == TMPFS_MAGIC || fs->f_type == RAMFS_MAGIC)
        zf_doctor_say (doctor, ZF_DOCTOR_WARN, NAME, "name a directory on a disk",
                       "%s lies in memory: a reboot takes it away", dir);
    else if (fs->f_type == NFS_SUPER_MAGIC || fs->f_type == SMB2_SUPER_MAGIC ||
             fs->f_type == CIFS_SUPER_MAGIC || fs->f_type == FUSE_SUPER_MAGIC)
        zf_doctor_say (doctor, ZF_DOCTOR_WARN, NAME, "a disk of this host is faster and surer",
                       "%s lies on a network or in user space", dir);
}

static void look_into (const zf_doctor_t *doctor, const char *dir)
{
    struct statfs fs;
    look_at_writing (doctor, dir);
    if (statfs (dir, &fs) != 0)
        return;
    look_at_room (doctor, dir, &fs);
    look_at_kind (doctor, dir, &fs);
}

/* "a/b/c/" -> "a/b"; "c" -> "." */
static void parent_of (const char *dir, char *parent, size_t size)
{
    size_t length = strlen (dir);
    while (length > 1 && dir[length - 1] == '/')
        length--;
    while (length > 0 && dir[length - 1] != '/')
        length--;
    while (length > 1 && dir[length - 1] == '/')
        length--;
    snprintf (parent, size, "%.*s", (int) (length > 0 ? length : 1), length > 0 ? dir : ".");
}

void zf_doctor_look_at_journal (const zf_doctor_t *doctor, const char *dir)
{
    struct stat about;
    char parent[4096];
    parent_of (dir, parent, sizeof parent);
    bool is_there = stat (dir, &about) == 0;
    bool can_be = !is_there && errno == ENOENT;
    if (is_there && S_ISDIR (about.st_mode)) {
        look_into (doctor, dir);
    } else if (can_be && stat (parent, &about) == 0 && S_ISDIR (about.st_mode)) {
        zf_doctor_say (doctor, ZF_DOCTOR_OK, NAME, "", "%s is not there yet, and will be made",
                       dir);
        look_into (doctor, parent);
    } else {
        zf_doctor_say (doctor, ZF_DOCTOR_FAIL, NAME, "name a directory in one that is there",
                       "%s is no directory, and can't be made", dir);
    }
}
