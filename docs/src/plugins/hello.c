/* Brings `app.conf` in the folder `home` back from the `app.conf.orig` beside it. */

#include "backout_plugin.h"
#include <string.h>

#define MANIFEST                                                          \
    "{\"id\":\"hello-c\",\"version\":\"1.0.0\",\"api\":[[1,0],[1,0]],"    \
    "\"about\":\"Brings app.conf back from the app.conf.orig beside it.\"}"

BACKOUT_MANIFEST(MANIFEST);

/* Where the JSON value at `at` ends. Nothing is read at or behind `end`. */
static const char *skip(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++) {
                if (*at == '\\' && at + 1 < end) at++;
            }
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            depth--;
        }
        if (at < end) at++;
        if (depth <= 0 && at < end && memchr(",:}]", *at, 4)) return at;
    }
    return end;
}

/* The value of an object's member, and in `stop` where it ends; NULL if there is none. */
static const char *member(const char *object, const char *end, const char *name, const char **stop) {
    size_t len = strlen(name);
    if (!object || object >= end || *object != '{') return NULL;
    for (const char *key = object + 1; key < end && *key == '"'; key = *stop + 1) {
        const char *colon = skip(key, end);
        if (colon >= end || *colon != ':') return NULL;
        *stop = skip(colon + 1, end);
        if ((size_t)(colon - key) == len + 2 && !memcmp(key + 1, name, len)) return colon + 1;
        if (*stop >= end || **stop != ',') return NULL;
    }
    return NULL;
}

struct out {
    BackoutSinkFn sink;
    void *context;
    int32_t refused;
};

static void push(struct out *out, const char *bytes, size_t len) {
    if (!out->refused) out->refused = out->sink(out->context, (const uint8_t *)bytes, len);
}

static void say(struct out *out, const char *text) {
    push(out, text, strlen(text));
}

static int32_t call(const uint8_t *request, size_t len, BackoutSinkFn sink, void *context) {
    struct out out = {sink, context, 0};
    const char *at = (const char *)request, *end = at + len, *stop = end;
    const char *plan = member(at, end, "plan", &stop);
    const char *home = member(member(plan, end, "folders", &stop), end, "home", &stop);
    if (len == 10 && !memcmp(at, "\"describe\"", 10)) {
        say(&out, "{\"manifest\":" MANIFEST "}");
    } else if (!plan) {
        say(&out, "{\"failed\":{\"message\":\"this plugin only plans\"}}");
    } else if (!home) {
        say(&out, "{\"failed\":{\"message\":\"variable `home` has no value here\"}}");
    } else {
        /* The folder is a JSON string already, so it goes into the answer as it came. */
        say(&out, "{\"proposal\":{\"steps\":[{\"restore-file\":{\"target\":{\"root\":");
        push(&out, home, (size_t)(stop - home));
        say(&out, ",\"rel\":\"app.conf\"},\"need\":\"listed\",\"candidates\":[{\"place\":{\"root\":");
        push(&out, home, (size_t)(stop - home));
        say(&out, ",\"rel\":\"app.conf.orig\"},\"fate\":\"Keep\"}]}}]}}");
    }
    return out.refused ? BACKOUT_BROKEN : BACKOUT_DONE;
}

BACKOUT_PLUGIN(call);
