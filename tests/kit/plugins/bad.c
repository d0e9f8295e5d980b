/* A plugin that does whatever its configuration says, as no language keeps it from anything. It speaks messages 1.0 alone.
   Compiled with -DALWAYS="\"word\"" it does that whatever it is asked. */
#define _GNU_SOURCE
#include "backout_plugin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SPEAKS
#define SPEAKS "[[1,0],[1,0]]"
#endif
BACKOUT_MANIFEST("{\"id\":\"bad\",\"version\":\"1\",\"api\":" SPEAKS ",\"about\":\"Does as it is told.\"}");

#ifdef MARK
/* Runs when the library is loaded, before anything is asked. */
__attribute__((constructor)) static void mark(void) { close(open(MARK, O_CREAT | O_WRONLY, 0600)); }
#endif

static int asked(const char *text, const char *word) {
#ifdef ALWAYS
    (void)text;
    return strcmp(word, ALWAYS) == 0;
#else
    return strstr(text, word) != NULL;
#endif
}

/* The path behind a word of the request, up to the next blank. */
static const char *path_behind(const char *text, const char *word) {
    static char path[4096];
    const char *at = strstr(text, word);
    if (!at || sscanf(at + strlen(word), " %4095s", path) != 1) abort();
    return path;
}

static int32_t say(BackoutSinkFn sink, void *context, const char *text) {
    return sink(context, (const uint8_t *)text, strlen(text)) ? BACKOUT_BROKEN : BACKOUT_DONE;
}

static int32_t fail(BackoutSinkFn sink, void *context, const char *why) {
    char text[8192];
    snprintf(text, sizeof text, "{\"failed\":{\"message\":\"%s\"}}", why);
    return say(sink, context, text);
}

static volatile int depth;
static int (*volatile again)(int);
static int deeper(int n) {
    volatile char room[4096];
    room[n % 4096] = (char)n;
    depth = n;
    return again(n + 1) + room[n % 4096];
}

/* Writes to every pipe but the usual three. */
static void forge(const char *bytes, size_t len) {
    for (int fd = 3; fd < 64; fd++) {
        struct stat is;
        if (fstat(fd, &is) == 0 && S_ISFIFO(is.st_mode) && write(fd, bytes, len) < 0) abort();
    }
}

static void forge_an_answer(void) {
    static const char json[] = "{\"Answer\":{\"proposal\":{\"steps\":[]}}}";
    char frame[8 + sizeof json - 1] = {0, 'b', 'k', 'o', sizeof json - 1, 0, 0, 0};
    memcpy(frame + 8, json, sizeof json - 1);
    forge(frame, sizeof frame);
}

/* Leaves its group, its session and its parent, as a daemon does. */
static void daemonise(void) {
    pid_t first = fork();
    if (first == 0) {
        setsid();
        if (fork() == 0) for (;;) pause();
        _exit(0);
    }
    waitpid(first, NULL, 0);
}

/* What of this the kernel lets through, by name; with the numbers of errors that are not "forbidden". */
static const char *let_through(const char *file) {
    static char names[4096];
    char other[4200];
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(9)};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const struct timespec now[2] = {{1, 0}, {1, 0}};
    struct iovec none = {NULL, 0};
    long flags = 0;
    int fd = open(file, O_RDONLY);
    snprintf(other, sizeof other, "%s.other", file);
    names[0] = 0;
#define TRY(name, call)                                                                             \
    do {                                                                                            \
        errno = 0;                                                                                  \
        if ((call) != -1) strcat(names, " " name);                                                  \
        else if (errno != EPERM && errno != EACCES)                                                 \
            sprintf(names + strlen(names), " %s=%d", name, errno);                                  \
    } while (0)
    TRY("write", open(file, O_WRONLY));
    TRY("create", open(other, O_CREAT | O_RDONLY, 0600));
    TRY("cut", open(file, O_RDONLY | O_TRUNC));
    TRY("truncate", truncate(file, 0));
    TRY("chmod", chmod(file, 0777));
    TRY("fchmod", fchmod(fd, 0777));
    TRY("fchmodat2", syscall(452, AT_FDCWD, file, 0777, 0));
    TRY("chown", chown(file, 1, 1));
    TRY("fchown", fchown(fd, 1, 1));
    TRY("lchown", lchown(file, 1, 1));
    TRY("utimens", utimensat(AT_FDCWD, file, now, 0));
    TRY("setxattr", setxattr(file, "user.a", "b", 1, 0));
    TRY("fsetxattr", fsetxattr(fd, "user.a", "b", 1, 0));
    TRY("removexattr", removexattr(file, "user.a"));
    TRY("attributes", ioctl(fd, FS_IOC_SETFLAGS, &flags));
    TRY("flock", flock(fd, LOCK_EX | LOCK_NB));
    TRY("lease", fcntl(fd, F_SETLEASE, F_RDLCK));
    TRY("mkdir", mkdir(other, 0700));
    TRY("link", link(file, other));
    TRY("symlink", symlink(file, other));
    TRY("rename", rename(file, other));
    TRY("unlink", unlink(file));
    TRY("fifo", mkfifo(other, 0600));
    TRY("mount", mount("none", "/", NULL, MS_REMOUNT, NULL));
    TRY("umount", umount2("/proc", MNT_DETACH));
    TRY("chroot", chroot("/"));
    TRY("socket", socket(AF_INET, SOCK_STREAM, 0));
    TRY("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    TRY("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    TRY("connect", connect(fd, (struct sockaddr *)&local, sizeof local));
    TRY("bind", bind(fd, (struct sockaddr *)&local, sizeof local));
    TRY("sendto", sendto(fd, "a", 1, 0, (struct sockaddr *)&local, sizeof local));
    TRY("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    TRY("ptrace", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
    TRY("peek", syscall(SYS_process_vm_readv, getppid(), &none, 1, &none, 1, 0));
    TRY("kill", kill(getppid(), SIGTERM));
    TRY("kill-all", kill(-1, SIGTERM));
    TRY("pidfd", syscall(SYS_pidfd_open, getppid(), 0));
    TRY("bpf", syscall(SYS_bpf, 0, NULL, 0));
    TRY("perf", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    TRY("unshare", unshare(CLONE_NEWUSER));
    TRY("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0));
    TRY("setuid", setuid(1));
    TRY("setsid", setsid());
    TRY("capset", syscall(SYS_capset, NULL, NULL));
    TRY("orphan", prctl(PR_SET_PDEATHSIG, 0));
    TRY("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
    TRY("hostname", sethostname("a", 1));
    return names;
}

static int32_t call(const uint8_t *request, size_t len, BackoutSinkFn sink, void *context) {
    char *text = calloc(1, len + 1);
    if (!text) return BACKOUT_BROKEN;
    memcpy(text, request, len);
#define ASKED(word) asked(text, word)
    if (ASKED("segfault")) *(volatile int *)(uintptr_t)depth = 1;
    if (ASKED("abort-it")) { fputs("something is wrong\n", stderr); abort(); }
    if (ASKED("overflow")) { again = deeper; depth = deeper(0); }
    if (ASKED("exit-zero")) exit(0);
    if (ASKED("exit-at-once")) _exit(3);
    if (ASKED("loop")) for (;;) depth++;
    if (ASKED("print-without-end")) for (;;) puts("and on");
    if (ASKED("allocate-without-end")) for (;;) memset(malloc(1 << 20), 1, 1 << 20);
    if (ASKED("print-a-little")) { puts("a word"); fflush(stdout); }
    if (ASKED("leave-a-child") && fork() == 0) for (;;) pause();
    if (ASKED("daemonise")) daemonise();
    if (ASKED("close-everything")) for (int fd = 0; fd < 1024; fd++) close(fd);
    if (ASKED("close-and-stay")) { for (int fd = 0; fd < 1024; fd++) close(fd); for (;;) depth++; }
    if (ASKED("read-input") && getchar() != EOF) abort();
    if (ASKED("forge-garbage")) forge("hello, host", 11);
    if (ASKED("forge-an-answer")) forge_an_answer();
    if (ASKED("answer-without-end")) while (say(sink, context, "          ") == BACKOUT_DONE) {}
    if (ASKED("answer-twice")) say(sink, context, "{\"proposal\":{\"steps\":[]}}");
    if (ASKED("answer-garbage")) return say(sink, context, "hello, host");
    if (ASKED("answer-above"))
        return say(sink, context,
                   "{\"proposal\":{\"steps\":[{\"remove-file\":{\"target\":{\"root\":\"/srv\",\"rel\":\"../etc/passwd\"},"
                   "\"expect\":\"anything\"}}]}}");
    if (ASKED("give-up")) return BACKOUT_BROKEN;
    if (ASKED("what-is-let-through ")) return fail(sink, context, let_through(path_behind(text, "what-is-let-through ")));
    if (ASKED("create ") && open(path_behind(text, "create "), O_CREAT | O_WRONLY, 0666) < 0)
        return fail(sink, context, "nothing can be created");
    if (ASKED("remove ") && unlink(path_behind(text, "remove ")) < 0)
        return fail(sink, context, "nothing can be removed");
    if (ASKED("append ") && open(path_behind(text, "append "), O_WRONLY | O_APPEND) < 0)
        return fail(sink, context, "nothing can be written");
    if (ASKED("look-at ") && open(path_behind(text, "look-at "), O_RDONLY) < 0)
        return fail(sink, context, "nothing can be read");
    if (ASKED("run-another ")) {
        char command[8192];
        snprintf(command, sizeof command, "cat %s >/dev/null", path_behind(text, "run-another "));
        if (system(command) != 0) return fail(sink, context, "nothing can be run");
        snprintf(command, sizeof command, "chmod 777 %s 2>/dev/null", path_behind(text, "run-another "));
        if (system(command) == 0) return fail(sink, context, "a program of its may change files");
    }
    if (ASKED("later-fields") && (strstr(text, "\"facts\"") || strstr(text, "\"record\"")))
        return fail(sink, context, "it was told what it does not know");
    free(text);
    return say(sink, context, "{\"proposal\":{\"steps\":[]}}");
}

BACKOUT_PLUGIN(call);
