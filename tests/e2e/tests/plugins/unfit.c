/* A plugin that is unfit in one way, which -DUNFIT=... names. */
#include "backout_plugin.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIT, PRINTS, SEGFAULTS, LOOPS, EXITS, WRITES, CONNECTS, FORKS, THREADS, CHANGES, OUTSIDE, STOPS, DEAF, PLACELESS, LIES, DIES };

BACKOUT_MANIFEST("{\"id\":\"unfit\",\"version\":\"1\",\"api\":[[1,0],[1,0]],\"about\":\"Is unfit in one way.\"}");

static int32_t say(BackoutSinkFn sink, void *context, const char *text) {
    return sink(context, (const uint8_t *)text, strlen(text)) ? BACKOUT_BROKEN : BACKOUT_DONE;
}

/* Whoever loads it runs this. */
__attribute__((constructor)) static void loaded(void) {
    if (UNFIT == DIES) abort();
}

static void *sleeps(void *nothing) {
    for (;;) pause();
    return nothing;
}

/* A file in the folder `home`. */
static void leave_a_file(const char *text) {
    const char *home = strstr(text, "\"home\":\"");
    char path[4096] = "";
    if (!home || sscanf(home + 8, "%4000[^\"]", path) != 1) return;
    strcat(path, "/left");
    FILE *file = fopen(path, "w");
    if (file) fclose(file);
}

static int32_t call(const uint8_t *request, size_t len, BackoutSinkFn sink, void *context) {
    char *text = calloc(1, len + 1);
    if (len > 0) memcpy(text, request, len);
    const char *answer = "{\"proposal\":{\"steps\":[]}}";
    static char counted[200];
    static int count;
    pthread_t thread;
    if (UNFIT == DEAF) goto out;
    if (!strcmp(text, "\"describe\"")) {
        answer = UNFIT == LIES ? "{\"manifest\":{\"id\":\"fit\",\"version\":\"1\",\"api\":[[1,0],[1,0]],\"about\":\"Is fit.\"}}"
                               : "{\"manifest\":{\"id\":\"unfit\",\"version\":\"1\",\"api\":[[1,0],[1,0]],\"about\":\"Is unfit in one way.\"}}";
        goto out;
    }
    if (strncmp(text, "{\"plan\":{", 9) || text[9] == '}' || text[len - 1] != '}' || text[len - 2] != '}') {
        answer = "{\"failed\":{\"message\":\"not understood\"}}";
        goto out;
    }
    if (strstr(text, "\"facts\":") || strstr(text, "\"machine\":") || strstr(text, "\"record\":") || !strstr(text, "\"home\":\"")) {
        answer = "{\"failed\":{\"message\":\"these are words of messages that came later\"}}";
        goto out;
    }
    if (UNFIT == PRINTS) printf("a word");
    if (UNFIT == SEGFAULTS) raise(11);
    if (UNFIT == LOOPS) for (;;) usleep(1000);
    if (UNFIT == EXITS) exit(0);
    if (UNFIT == WRITES) leave_a_file(text);
    if (UNFIT == CONNECTS && socket(AF_INET, SOCK_STREAM, 0) < 0) abort();
    if (UNFIT == FORKS && fork() == 0) sleeps(NULL);
    if (UNFIT == THREADS && pthread_create(&thread, NULL, sleeps, NULL)) abort();
    if (UNFIT == CHANGES) {
        snprintf(counted, sizeof counted, "{\"proposal\":{\"steps\":[],\"notes\":[{\"en\":\"%d\"}]}}", count++);
        answer = counted;
    }
    if (UNFIT == OUTSIDE)
        answer = "{\"proposal\":{\"steps\":[{\"remove-file\":{\"target\":{\"root\":\"/etc\",\"rel\":\"passwd\"},\"expect\":\"anything\"}}]}}";
    if (UNFIT == STOPS) answer = "{\"proposal\":{\"steps\":[{\"stop-service\":{\"service\":\"s\"}}]}}";
    if (UNFIT == PLACELESS) answer = "{\"failed\":{\"message\":\"somewhere something is wrong\"}}";
    if (UNFIT == FIT && !strstr(text, "\"config\":\"()\"")) answer = "{\"failed\":{\"message\":\"not ()\",\"at\":[1,1]}}";
out:;
    int32_t done = say(sink, context, answer);
    free(text);
    return done;
}

BACKOUT_PLUGIN(call);
