/* Notes every change that a program makes to the files of one folder, in order.
 *
 * To be loaded with LD_PRELOAD. RECORDER_FOLDER is the folder, RECORDER_LOG the file to write to.
 * Each note: operation (w, t, u; s for synchronised with the device), length of the name (2 bytes), offset or length (8 bytes), size
 * (8 bytes), the name, the data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;
static char folder[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("RECORDER_FOLDER"), *log = getenv("RECORDER_LOG");
    if (!where || !log || !realpath(where, folder))
        return;
    strcat(folder, "/");
    record = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static const char *inside(const char *path) {
    size_t length = strlen(folder);
    return record >= 0 && !strncmp(path, folder, length) ? path + length : NULL;
}

static void note(char operation, const char *name, uint64_t at, const void *data, uint64_t size) {
    char head[19];
    uint16_t length = strlen(name);
    struct iovec parts[3] = {{head, 19}, {(void *)name, length}, {(void *)data, data ? size : 0}};
    head[0] = operation;
    memcpy(head + 1, &length, 2);
    memcpy(head + 3, &at, 8);
    memcpy(head + 11, &size, 8);
    syscall(SYS_writev, record, parts, 3);
}

static void note_open(int fd, char operation, uint64_t at, const void *data, int64_t size) {
    char link[64], path[PATH_MAX];
    const char *name;
    ssize_t length;
    if (record < 0 || size < 0)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0)
        return;
    path[length] = 0;
    if ((name = inside(path)))
        note(operation, name, at, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    pthread_mutex_lock(&order);
    ssize_t done = syscall(SYS_pwrite64, fd, data, size, at);
    note_open(fd, 'w', at, data, done);
    pthread_mutex_unlock(&order);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return pwrite64(fd, data, size, at);
}
ssize_t write(int fd, const void *data, size_t size) {
    pthread_mutex_lock(&order);
    off_t at = record < 0 ? 0 : lseek(fd, 0, SEEK_CUR);
    ssize_t done = syscall(SYS_write, fd, data, size);
    if (at >= 0)
        note_open(fd, 'w', at, data, done);
    pthread_mutex_unlock(&order);
    return done;
}
int ftruncate64(int fd, off64_t length) {
    pthread_mutex_lock(&order);
    int done = syscall(SYS_ftruncate, fd, length);
    note_open(fd, 't', length, NULL, done);
    pthread_mutex_unlock(&order);
    return done;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fsync(int fd) {
    pthread_mutex_lock(&order);
    int done = syscall(SYS_fsync, fd);
    note_open(fd, 's', 0, NULL, done);
    pthread_mutex_unlock(&order);
    return done;
}

int unlink(const char *path) {
    int (*own)(const char *) = dlsym(RTLD_NEXT, "unlink");
    pthread_mutex_lock(&order);
    int done = own(path);
    const char *name = record < 0 ? NULL : inside(path);
    if (name && !done)
        note('u', name, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return done;
}
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    pthread_mutex_lock(&order);
    int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && (flags & O_TRUNC))
        note_open(fd, 't', 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return fd;
}
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open64(path, flags, mode);
}
