//! Builds the binary and the plugins, and puts the plugins where the binary may trust them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The packages whose libraries are plugins.
pub(crate) const PLUGINS: [(&str, &str); 5] = [
    ("backout-normal-server", "backout_normal_server"),
    ("backout-information-server", "backout_information_server"),
    ("backout-cm-agent", "backout_cm_agent"),
    ("backout-file-set", "backout_file_set"),
    ("backout-settings", "backout_settings"),
];

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    // A relative one is meant from where cargo was called, which is the workspace's folder for our own calls.
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |given| root().join(given))
}

/// Runs a command in the workspace and fails with its name.
pub(crate) fn call(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let status = command.current_dir(root()).status().map_err(|e| format!("{shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed ({status}): {shown}")) }
}

/// A call of cargo.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args);
    cargo
}

/// Builds everything and rolls a throw-away product back.
pub(crate) fn demo(flags: &[String]) -> Result<(), String> {
    let mut build = cargo(&["build", "--quiet", "--package", "backout"]);
    build.args(PLUGINS.iter().flat_map(|(package, _)| ["--package", package]));
    call(&mut build)?;
    let built = target().join("debug");
    let folder = install(&built)?;
    let binary = built.join(format!("backout{}", std::env::consts::EXE_SUFFIX));
    call(Command::new(binary).arg("demo").arg("--plugin-dir").arg(folder).args(flags))
}

/// Copies the plugins into a fresh folder that only its owner may write to.
fn install(built: &Path) -> Result<PathBuf, String> {
    let folder = target().join("plugins");
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(fail)?;
    }
    fs::create_dir_all(&folder).map_err(fail)?;
    private(&folder, 0o755).map_err(fail)?;
    for (_, library) in PLUGINS {
        let name = format!("{}{library}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let to = folder.join(&name);
        fs::copy(built.join(&name), &to).map_err(fail)?;
        private(&to, 0o644).map_err(fail)?;
    }
    Ok(folder)
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
#[cfg(not(unix))]
fn private(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}
