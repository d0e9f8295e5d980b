/* Brings `app.conf` in the folder `home` back from the `app.conf.orig` beside it. */

#include "backout_plugin.h"
#include <string.h>

#define MANIFEST                                                          \
    "{\"id\":\"hello-c\",\"version\":\"1.0.0\",\"api\":[[1,0],[1,1]],"    \
    "\"about\":\"Brings app.conf back from the app.conf.orig beside it.\"}"

BACKOUT_MANIFEST(MANIFEST);

/* The proposal, with the folder, twice, between its parts. */
#define PROPOSAL_1 "{\"proposal\":{\"steps\":[{\"restore-file\":{\"target\":{\"root\":"
#define PROPOSAL_2 ",\"rel\":\"app.conf\"},\"need\":\"listed\",\"candidates\":[{\"place\":{\"root\":"
#define PROPOSAL_3 ",\"rel\":\"app.conf.orig\"},\"fate\":\"Keep\"}]}}]}}"

#define HOME "\"/srv/product\""
#define EXAMPLES                                                                              \
    "{\"examples\":[{\"about\":\"The file goes back from the copy beside it.\","               \
    "\"config\":\"()\",\"machine\":{\"folders\":{\"home\":" HOME "},\"paths\":{" HOME            \
    ":{\"folder\":{\"app.conf\":\"file\",\"app.conf.orig\":\"file\"}}}},"                        \
    "\"expect\":" PROPOSAL_1 HOME PROPOSAL_2 HOME PROPOSAL_3 "}]}"

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

/* Whether every string, object and array that begins also ends, and the last of them at `end`. */
static int is_whole(const char *at, const char *end) {
    int depth = 0, text = 0;
    for (; at < end; at++) {
        if (text) {
            if (*at == '\\' && at + 1 < end) at++;
            else if (*at == '"') text = 0;
        } else if (*at == '"') {
            text = 1;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            depth--;
        }
    }
    return !text && depth == 0;
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

static int is(const char *at, const char *end, const char *text) {
    return (size_t)(end - at) >= strlen(text) && !memcmp(at, text, strlen(text));
}

static void propose(struct out *out, const char *home, size_t len) {
    /* The folder is a JSON string already, so it goes into the answer as it came. */
    say(out, PROPOSAL_1);
    push(out, home, len);
    say(out, PROPOSAL_2);
    push(out, home, len);
    say(out, PROPOSAL_3);
}

static int32_t call(const uint8_t *request, size_t len, BackoutSinkFn sink, void *context) {
    struct out out = {sink, context, 0};
    const char *at = (const char *)request, *end = at + len;
    const char *stop = end, *config_stop = end, *folders_stop = end, *home_stop = end;
    const char *plan = member(at, end, "plan", &stop);
    const char *record = member(plan, end, "record", &stop);
    const char *config = member(plan, end, "config", &config_stop);
    const char *folders = member(plan, end, "folders", &folders_stop);
    const char *home = member(folders, end, "home", &home_stop);
    if (!is_whole(at, end)) {
        say(&out, "{\"failed\":{\"message\":\"the request is cut short\"}}");
    } else if (is(at, end, "\"describe\"")) {
        say(&out, "{\"manifest\":" MANIFEST "}");
    } else if (is(at, end, "\"schema\"")) {
        say(&out, "{\"schema\":\"{\\\"type\\\":\\\"null\\\"}\"}");
    } else if (is(at, end, "\"examples\"")) {
        say(&out, EXAMPLES);
    } else if (config && !(config_stop - config == 4 && is(config, end, "\"()\""))) {
        say(&out, "{\"failed\":{\"message\":\"there is nothing to say but `()`\",\"at\":[1,1]}}");
    } else if (!home) {
        say(&out, plan ? "{\"failed\":{\"message\":\"variable `home` has no value here\"}}"
                       : "{\"failed\":{\"message\":\"this plugin only plans\"}}");
    } else if (record && is(record, end, "true")) {
        /* It looks at nothing, so the folders are all that its plan depends on. */
        say(&out, "{\"recorded\":{\"planned\":");
        propose(&out, home, (size_t)(home_stop - home));
        say(&out, ",\"machine\":{\"folders\":");
        push(&out, folders, (size_t)(folders_stop - folders));
        say(&out, "}}}");
    } else {
        propose(&out, home, (size_t)(home_stop - home));
    }
    return out.refused ? BACKOUT_BROKEN : BACKOUT_DONE;
}

BACKOUT_PLUGIN(call);
