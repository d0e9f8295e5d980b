/* A plugin that does whatever its configuration says, as no language keeps it from anything. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int32_t sink_fn(void *context, const uint8_t *bytes, size_t len);
typedef int32_t call_fn(const uint8_t *request, size_t len, sink_fn *sink, void *context);

#define MANIFEST "{\"id\":\"bad\",\"version\":\"1\",\"api\":[[1,0],[1,0]],\"about\":\"Does as it is told.\"}"
__attribute__((section(".backout"), used)) static const uint8_t manifest[] = MANIFEST;

#ifdef MARK
/* Runs when the library is loaded, before anything is asked. */
__attribute__((constructor)) static void mark(void) { close(open(MARK, O_CREAT | O_WRONLY, 0600)); }
#endif

/* The path behind a word of the request, up to the next blank. */
static const char *path_behind(const char *text, const char *word) {
    static char path[4096];
    const char *at = strstr(text, word);
    if (!at || sscanf(at + strlen(word), " %4095s", path) != 1) abort();
    return path;
}

static int32_t say(sink_fn *sink, void *context, const char *text) {
    return sink(context, (const uint8_t *)text, strlen(text)) ? 1 : 0;
}

static volatile int depth;
static int (*volatile again)(int);
static int deeper(int n) {
    volatile char room[4096];
    room[n % 4096] = (char)n;
    depth = n;
    return again(n + 1) + room[n % 4096];
}

static int32_t call(const uint8_t *request, size_t len, sink_fn *sink, void *context) {
    char *text = calloc(1, len + 1);
    memcpy(text, request, len);
#define ASKED(word) strstr(text, word)
    if (ASKED("segfault")) *(volatile int *)(uintptr_t)depth = 1;
    if (ASKED("abort-it")) { fputs("something is wrong\n", stderr); abort(); }
    if (ASKED("overflow")) { again = deeper; depth = deeper(0); }
    if (ASKED("exit-zero")) exit(0);
    if (ASKED("loop")) for (;;) depth++;
    if (ASKED("print-without-end")) for (;;) puts("and on");
    if (ASKED("allocate-without-end")) for (;;) memset(malloc(1 << 20), 1, 1 << 20);
    if (ASKED("print-a-little")) { puts("a word"); fflush(stdout); }
    if (ASKED("leave-a-child") && fork() == 0) for (;;) pause();
    if (ASKED("read-input") && getchar() != EOF) abort();
    if (ASKED("create ") && open(path_behind(text, "create "), O_CREAT | O_WRONLY, 0600) < 0)
        return say(sink, context, "{\"failed\":{\"message\":\"nothing can be created\"}}");
    if (ASKED("remove ") && unlink(path_behind(text, "remove ")) < 0)
        return say(sink, context, "{\"failed\":{\"message\":\"nothing can be removed\"}}");
    if (ASKED("append ") && open(path_behind(text, "append "), O_WRONLY | O_APPEND) < 0)
        return say(sink, context, "{\"failed\":{\"message\":\"nothing can be written\"}}");
    free(text);
    return say(sink, context, "{\"proposal\":{\"steps\":[]}}");
}

__attribute__((visibility("default"))) const struct {
    uint32_t abi, size;
    const uint8_t *manifest;
    size_t manifest_len;
    call_fn *call;
} backout_plugin = {1, 32, manifest, sizeof manifest - 1, call};
