//! The header for plugins in C and C++, made of the ABI's Rust source.

use crate::build::root;
use std::fs;

/// Where it lies.
const HEADER: &str = "plugins/sdk/include/backout_plugin.h";
/// What it is made of.
const SOURCE: &str = "core/protocol/src/abi.rs";

const HEAD: &str = "\
/* The C ABI of backout's plugins: one exported data symbol, JSON bytes pushed through a sink.

   Memory never changes owner: each side reads the other's bytes during the call only.

   A plugin is a shared library of this form:

       #include \"backout_plugin.h\"

       BACKOUT_MANIFEST(\"{\\\"id\\\":\\\"mine\\\",\\\"version\\\":\\\"1.0.0\\\",\\\"api\\\":[[1,0],[1,0]],\\\"about\\\":\\\"Does little.\\\"}\");

       static int32_t call(const uint8_t *request, size_t request_len, BackoutSinkFn sink, void *context) {
           static const char answer[] = \"{\\\"proposal\\\":{\\\"steps\\\":[]}}\";
           (void)request, (void)request_len;
           return sink(context, (const uint8_t *)answer, sizeof answer - 1) ? BACKOUT_BROKEN : BACKOUT_DONE;
       }

       BACKOUT_PLUGIN(call);

   Made by `cargo xtask header` of core/protocol/src/abi.rs. Not to be changed by hand. */

#ifndef BACKOUT_PLUGIN_H
#define BACKOUT_PLUGIN_H";

/// What a macro alone can say: sections and exports have other words on each system.
const TAIL: &str = r#"/* The section of the library file that holds the manifest, and the symbol, as the system's compilers are told. */
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
"#;

/// What the source's names are in C.
const NAMES: [(&str, &str); 6] = [
    ("PluginEntry", "BackoutPluginEntry"),
    ("CallFn", "BackoutCallFn"),
    ("SinkFn", "BackoutSinkFn"),
    ("ABI", "BACKOUT_ABI"),
    ("DONE", "BACKOUT_DONE"),
    ("BROKEN", "BACKOUT_BROKEN"),
];

/// The header's text.
fn text() -> Result<String, String> {
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        header: Some(HEAD.to_owned()),
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        trailer: Some(TAIL.to_owned()),
        cpp_compat: true,
        documentation_style: cbindgen::DocumentationStyle::C99,
        style: cbindgen::Style::Both,
        usize_is_size_t: true,
        tab_width: 4,
        line_length: 110,
        export: cbindgen::ExportConfig {
            include: ["PluginEntry", "ABI", "DONE", "BROKEN"].map(str::to_owned).to_vec(),
            rename: NAMES.map(|(from, to)| (from.to_owned(), to.to_owned())).into(),
            ..Default::default()
        },
        ..Default::default()
    };
    let made = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root().join(SOURCE))
        .generate()
        .map_err(|e| format!("{SOURCE}: {e}"))?;
    let mut text = Vec::new();
    made.write(&mut text);
    let text = String::from_utf8(text).map_err(|e| e.to_string())?;
    // Links of the source's documentation, in the header's names.
    let named = NAMES.iter().fold(text, |text, (from, to)| text.replace(&format!("[`{from}`]"), to));
    Ok(named.replace("[`SYMBOL`]", "`backout_plugin`").replace("[`SECTION`]", "section `.backout`"))
}

/// Writes it, or with `--check` says whether it is as it would be written.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let wanted = text()?;
    let file = root().join(HEADER);
    match args {
        [] => fs::write(&file, wanted).map_err(|e| format!("{HEADER}: {e}")),
        [flag] if flag == "--check" => check(),
        _ => Err("cargo xtask header [--check]".to_owned()),
    }
}

/// Says so where the header is not what its source makes it.
pub(crate) fn check() -> Result<(), String> {
    let there = fs::read_to_string(root().join(HEADER)).map_err(|e| format!("{HEADER}: {e}"))?;
    if there == text()? {
        return Ok(());
    }
    Err(format!("{HEADER} is not what {SOURCE} makes it: `cargo xtask header` writes it"))
}
