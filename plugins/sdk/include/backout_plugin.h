/* The C ABI of backout's plugins: one exported data symbol, JSON bytes pushed through a sink.

   Memory never changes owner: each side reads the other's bytes during the call only.

   A plugin is a shared library of this form:

       #include "backout_plugin.h"

       BACKOUT_MANIFEST("{\"id\":\"mine\",\"version\":\"1.0.0\",\"api\":[[1,0],[1,0]],\"about\":\"Does little.\"}");

       static int32_t call(const uint8_t *request, size_t request_len, BackoutSinkFn sink, void *context) {
           static const char answer[] = "{\"proposal\":{\"steps\":[]}}";
           (void)request, (void)request_len;
           return sink(context, (const uint8_t *)answer, sizeof answer - 1) ? BACKOUT_BROKEN : BACKOUT_DONE;
       }

       BACKOUT_PLUGIN(call);

   Made by `cargo xtask header` of core/protocol/src/abi.rs. Not to be changed by hand. */

#ifndef BACKOUT_PLUGIN_H
#define BACKOUT_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

// Version of the C structs below. Another number: not loaded.
#define BACKOUT_ABI 1

// The answer was pushed.
#define BACKOUT_DONE 0

// The plugin failed in a way it cannot put into an answer (a panic, say).
#define BACKOUT_BROKEN 1

// Receives bytes of an answer; may be called more than once. Returns 0 to go on, else the plugin must stop.
typedef int32_t (*BackoutSinkFn)(void *context, const uint8_t *bytes, size_t len);

// Takes the request's JSON bytes, pushes the answer's JSON bytes through `sink`, returns BACKOUT_DONE or BACKOUT_BROKEN.
typedef int32_t (*BackoutCallFn)(const uint8_t *request, size_t request_len, BackoutSinkFn sink, void *context);

// What a plugin exports under `backout_plugin`.
typedef struct BackoutPluginEntry {
    // BACKOUT_ABI of the plugin.
    uint32_t abi;
    // Size of this struct as the plugin knows it.
    uint32_t size;
    // The manifest's JSON bytes; the same as in section `.backout`.
    const uint8_t *manifest;
    // Their number.
    size_t manifest_len;
    // Answers one request. Never unwinds.
    BackoutCallFn call;
} BackoutPluginEntry;

/* The section of the library file that holds the manifest, and the symbol, as the system's compilers are told. */
#if defined(_MSC_VER)
#pragma section(".backout", read)
#define BACKOUT_SECTION __declspec(allocate(".backout"))
#define BACKOUT_EXPORT __declspec(dllexport)
#elif defined(_WIN32)
#define BACKOUT_SECTION __attribute__((section(".backout"), used))
#define BACKOUT_EXPORT __declspec(dllexport)
#else
#define BACKOUT_SECTION __attribute__((section(".backout"), used))
#define BACKOUT_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
#define BACKOUT_C extern "C"
#else
#define BACKOUT_C extern
#endif

/* The manifest: a string literal of JSON. It is read from the file, without running anything of it. */
#define BACKOUT_MANIFEST(json) BACKOUT_SECTION static const char backout_manifest[] = json

/* The entry, behind BACKOUT_MANIFEST: `call` is a BackoutCallFn. */
#define BACKOUT_PLUGIN(call)                                                            \
    BACKOUT_C BACKOUT_EXPORT const BackoutPluginEntry backout_plugin;                   \
    const BackoutPluginEntry backout_plugin = {                                         \
        BACKOUT_ABI, (uint32_t)sizeof(BackoutPluginEntry),                              \
        (const uint8_t *)backout_manifest, sizeof backout_manifest - 1, call}

#endif
