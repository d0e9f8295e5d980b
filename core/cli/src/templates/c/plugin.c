/* The backout plugin `@NAME@`: brings back one file of the folder `home` from the backup beside it.
 *
 * A plugin answers questions and changes nothing. A question comes as JSON bytes, the answer goes as JSON bytes through
 * `sink`, in as many pieces as is convenient. All memory stays with whoever made it. */
#include "backout_plugin.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who this is. The same bytes are the answer to `describe` and lie in the file's section `.backout`, where they are read
 * without loading it. `api`: the lowest and the highest version of the messages that are answered here. */
#define MANIFEST                                                                                                  \
    "{\"id\":\"@NAME@\",\"version\":\"0.1.0\",\"api\":[[1,0],[1,1]],"                                             \
    "\"about\":\"Brings back one file from the backup beside it.\"}"
BACKOUT_MANIFEST(MANIFEST);

/* What a profile may say in `config`: ( file: "app.conf" ) */
#define SCHEMA                                                                                                    \
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"@NAME@\",\"type\":\"object\","       \
    "\"properties\":{\"file\":{\"type\":\"string\",\"description\":\"The file's name in the folder `home`; its "    \
    "backup has `.bak` behind it.\"}},\"required\":[\"file\"],\"additionalProperties\":false}"

/* Examples are documentation that `backout plugin check` carries out. */
#define EXAMPLES                                                                                                  \
    "[{\"about\":\"A file goes back while its service is down.\",\"config\":\"( file: \\\"app.conf\\\" )\","       \
    "\"machine\":{\"folders\":{\"home\":\"/srv/product\"},\"services\":[\"Example server\"]},"                     \
    "\"expect\":{\"proposal\":{\"steps\":["                                                                       \
    "{\"stop-service\":{\"service\":\"Example server\"}},"                                                        \
    "{\"restore-file\":{\"target\":{\"root\":\"/srv/product\",\"rel\":\"app.conf\"},\"need\":\"listed\","          \
    "\"candidates\":[{\"place\":{\"root\":\"/srv/product\",\"rel\":\"app.conf.bak\"},\"fate\":\"Keep\"}]}},"       \
    "{\"start-service\":{\"service\":\"Example server\"}}]}}},"                                                   \
    "{\"about\":\"A file outside the folder is refused.\",\"config\":\"( file: \\\"../passwd\\\" )\","             \
    "\"machine\":{\"folders\":{\"home\":\"/srv/product\"}},\"expect\":{\"failure\":\"plain name\"}}]"

/* Part of a text. */
typedef struct {
    const char *at, *end;
} span;

/* Where an answer goes; `stopped`: the host wants no more of it. */
typedef struct {
    BackoutSinkFn sink;
    void *context;
    bool stopped;
} answer;

static void say_span(answer *to, span text) {
    if (!to->stopped && text.end > text.at)
        to->stopped = to->sink(to->context, (const uint8_t *)text.at, (size_t)(text.end - text.at)) != 0;
}

static void say(answer *to, const char *text) { say_span(to, (span){text, text + strlen(text)}); }

/* `message` is put into JSON as it is: no quotation marks, no backslashes. */
static void say_failure(answer *to, const char *message) {
    say(to, "{\"failed\":{\"message\":\"");
    say(to, message);
    say(to, "\"}}");
}

/* ---- JSON, as much as a question needs. Whatever is no JSON ends in NULL or false, never beyond the end. ---- */

static const char *blanks_end(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static const char *string_end(const char *p, const char *end) {
    if (p >= end || *p != '"') return NULL;
    for (p++; p < end; p++) {
        if (*p == '"') return p + 1;
        if (*p == '\\' && ++p >= end) return NULL;
    }
    return NULL;
}

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' || c == '.';
}

/* The end of the value that begins here. */
static const char *value_end(const char *p, const char *end) {
    size_t depth = 0;
    do {
        p = blanks_end(p, end);
        if (p >= end) return NULL;
        if (*p == '"') {
            if (!(p = string_end(p, end))) return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++, p++;
        } else if (*p == '}' || *p == ']' || *p == ',' || *p == ':') {
            if (depth == 0) return NULL;
            if (*p == '}' || *p == ']') depth--;
            p++;
        } else {
            const char *begin = p;
            while (p < end && is_word(*p)) p++;
            if (p == begin) return NULL;
        }
    } while (depth > 0);
    return p;
}

static bool is(span value, const char *text) {
    size_t len = strlen(text);
    return (size_t)(value.end - value.at) == len && memcmp(value.at, text, len) == 0;
}

/* Goes through an object or an array: gives the next value, and its key with the quotation marks. `at` begins NULL. */
static bool next(span whole, const char **at, span *key, span *value) {
    const char *p = *at ? *at : whole.at, *end = whole.end;
    bool object = whole.at < end && *whole.at == '{';
    p = blanks_end(*at ? p : p + 1, end);
    if (p < end && *at && *p == ',') p = blanks_end(p + 1, end);
    if (p >= end || *p == '}' || *p == ']') return false;
    if (object) {
        key->at = p;
        if (!(p = string_end(p, end))) return false;
        key->end = p;
        p = blanks_end(p, end);
        if (p >= end || *p != ':') return false;
        p = blanks_end(p + 1, end);
    }
    value->at = p;
    if (!(p = value_end(p, end))) return false;
    value->end = p;
    *at = p;
    return true;
}

/* An object's value with this key, which is given with its quotation marks. */
static bool field(span object, const char *key, span *value) {
    if (object.at >= object.end || *object.at != '{') return false;
    const char *at = NULL;
    for (span k = {0}; next(object, &at, &k, value);)
        if (is(k, key)) return true;
    return false;
}

/* The text that a JSON string stands for, with a NUL behind it; to be freed. A character that is not ASCII and is written
 * `\u` becomes `?`: where ASCII is expected both are refused. */
static char *decoded(span string) {
    size_t room = (size_t)(string.end - string.at);
    char *text = malloc(room + 1), *to = text;
    if (!text) return NULL;
    for (const char *p = string.at + 1; p < string.end - 1; p++) {
        if (*p != '\\') {
            *to++ = *p;
            continue;
        }
        switch (*++p) {
        case 'n': *to++ = '\n'; break;
        case 't': *to++ = '\t'; break;
        case 'r': *to++ = '\r'; break;
        case 'b': case 'f': *to++ = ' '; break;
        case 'u': {
            char digits[5] = {0};
            for (int n = 0; n < 4 && p + 1 < string.end - 1; n++) digits[n] = *++p;
            unsigned long code = strtoul(digits, NULL, 16);
            *to++ = code > 0 && code < 128 ? (char)code : '?';
            break;
        }
        default: *to++ = *p;
        }
    }
    *to = '\0';
    return text;
}

/* ---- The configuration: RON, of which this much is understood: ( file: "NAME" ) ---- */

static const char *past_blanks(const char *p) {
    for (;;) {
        while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') p++;
        if (p[0] != '/' || p[1] != '/') return p;
        while (*p && *p != '\n') p++;
    }
}

static bool take(const char **p, const char *word) {
    *p = past_blanks(*p);
    if (strncmp(*p, word, strlen(word)) != 0) return false;
    *p += strlen(word);
    return true;
}

/* What is wrong with the configuration, and where; NULL: nothing, and this is the name. */
static const char *read_config(const char *config, const char **wrong, span *name) {
    const char *p = config;
    bool begun = take(&p, "(") && take(&p, "file") && take(&p, ":") && take(&p, "\"");
    name->at = p;
    while (begun && *p && *p != '"') p++;
    name->end = p;
    *wrong = p;
    if (!begun || *p++ != '"') return "( file: 'NAME' ) is expected";
    take(&p, ",");
    bool ended = take(&p, ")");
    p = past_blanks(p);
    *wrong = p;
    if (!ended || *p) return "( file: 'NAME' ) is expected";
    *wrong = name->at;
    bool plain = name->end > name->at && *name->at != '.';
    for (const char *c = name->at; c < name->end; c++)
        plain = plain && ((is_word(*c) && *c != '+') || *c == '_');
    return plain ? NULL : "the file is a plain name of letters, digits, dots, hyphens and underscores";
}

/* ---- The plan ---- */

static void say_services(answer *to, span services, const char *step, bool *first) {
    const char *at = NULL;
    for (span key, service; next(services, &at, &key, &service);) {
        say(to, *first ? "{\"" : ",{\"");
        *first = false;
        say(to, step);
        /* A name or a path of the question is JSON already. */
        say(to, "\":{\"service\":");
        say_span(to, service);
        say(to, "}}");
    }
}

static void say_place(answer *to, span root, span name, const char *suffix) {
    say(to, "{\"root\":");
    say_span(to, root);
    say(to, ",\"rel\":\"");
    say_span(to, name);
    say(to, suffix);
    say(to, "\"}");
}

static void plan(answer *to, span question) {
    span config, folders, home, services, source, dir, record;
    if (!field(question, "\"config\"", &config) || *config.at != '"' || !field(question, "\"folders\"", &folders) ||
        !field(question, "\"services\"", &services) || *services.at != '[') {
        say_failure(to, "the question is not understood");
        return;
    }
    if (field(question, "\"record\"", &record) && is(record, "true")) {
        say_failure(to, "this plugin asks nothing about the machine that could be recorded");
        return;
    }
    char *text = decoded(config);
    if (!text) {
        say_failure(to, "there is no memory");
        return;
    }
    span name;
    const char *place, *wrong = read_config(text, &place, &name);
    if (wrong) {
        /* Line and column in the configuration, from 1: the host makes the place in the profile of it. */
        size_t line = 1, column = 1;
        for (const char *p = text; p < place; p++) {
            column = *p == '\n' ? 1 : column + 1;
            line += *p == '\n';
        }
        char at[64];
        snprintf(at, sizeof at, "\",\"at\":[%zu,%zu]}}", line, column);
        say(to, "{\"failed\":{\"message\":\"");
        say(to, wrong);
        say(to, at);
    } else if (!field(folders, "\"home\"", &home) || *home.at != '"') {
        say_failure(to, "the variable home has no value here");
    } else {
        /* Somebody may have set backups aside: then they lie there under the files' own names. */
        bool aside = field(question, "\"source\"", &source) && field(source, "\"dir\"", &dir) && *dir.at == '"';
        bool first = true;
        say(to, "{\"proposal\":{\"steps\":[");
        say_services(to, services, "stop-service", &first);
        /* Every backup that is known of is named; which is good is the engine's to decide. */
        say(to, first ? "{\"restore-file\":{\"target\":" : ",{\"restore-file\":{\"target\":");
        first = false;
        say_place(to, home, name, "");
        say(to, ",\"need\":\"listed\",\"candidates\":[{\"place\":");
        say_place(to, aside ? dir : home, name, aside ? "" : ".bak");
        say(to, ",\"fate\":\"Keep\"}]}}");
        say_services(to, services, "start-service", &first);
        say(to, "]}}");
    }
    free(text);
}

static int32_t call(const uint8_t *request, size_t len, BackoutSinkFn sink, void *context) {
    answer to = {sink, context, false};
    const char *text = request ? (const char *)request : "", *end = text + (request ? len : 0);
    span question = {blanks_end(text, end), NULL}, planned;
    question.end = value_end(question.at, end);
    if (!question.end || blanks_end(question.end, end) != end)
        say_failure(&to, "the request is no JSON");
    else if (is(question, "\"describe\""))
        say(&to, "{\"manifest\":" MANIFEST "}");
    else if (is(question, "\"schema\"")) {
        /* A schema is given as text: JSON within JSON. */
        say(&to, "{\"schema\":\"");
        for (const char *p = SCHEMA; *p; p++) {
            if (*p == '"' || *p == '\\') say(&to, "\\");
            say_span(&to, (span){p, p + 1});
        }
        say(&to, "\"}");
    } else if (is(question, "\"examples\""))
        say(&to, "{\"examples\":" EXAMPLES "}");
    else if (field(question, "\"plan\"", &planned))
        plan(&to, planned);
    else
        say_failure(&to, "this plugin does not answer that");
    return to.stopped ? BACKOUT_BROKEN : BACKOUT_DONE;
}

/* The one symbol that the host looks for. */
BACKOUT_PLUGIN(call);
