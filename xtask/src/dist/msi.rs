//! The package for the Windows Installer, made by `wixl`.
//!
//! Before anything is taken away, at an uninstallation or an upgrade, the installed program is asked for its status: it
//! fails while a run is open, and the installer leaves everything as it is.

use super::{digest::guid, files, within};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What stays the same in every version, so that one replaces another.
const UPGRADES: &str = "6B6F4B0C-3C0E-5D0B-8E0B-BAC0075E0F11";

/// What `wixl` has no words for.
const QUERIES: [&str; 5] = [
    // Asked once before the installer has done anything at all, so that nothing is to be rolled back: a program in a
    // folder (34). It runs as the caller, whose rights may not do to see a run.
    "INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) \
     VALUES ('NothingIsKnown', 34, 'INSTALLDIR', '\"[INSTALLDIR]backout.exe\" status --if-known')",
    "INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) \
     VALUES ('NothingIsKnown', 'REMOVE=\"ALL\" OR (WIX_UPGRADE_DETECTED AND NOT REMOVE)', 1450)",
    // The version before is taken away, and asked by itself, as the first part of the same transaction: `wixl` would do it
    // when all is over, and what refuses to go would have been overwritten. Nothing may be in the script before that.
    "UPDATE `InstallExecuteSequence` SET `Sequence` = 1501 WHERE `Action` = 'RemoveExistingProducts'",
    "UPDATE `InstallExecuteSequence` SET `Sequence` = 1502 WHERE `Action` = 'NothingIsOpen'",
    "UPDATE `InstallExecuteSequence` SET `Sequence` = 1503 WHERE `Action` = 'NotAtBoot'",
];

/// Makes the file `to` of a package's folder.
pub(crate) fn make(folder: &Path, to: &Path, version: &str) -> Result<PathBuf, String> {
    let wxs = to.with_extension("wxs");
    fs::write(&wxs, wix(folder, version)?).map_err(|e| format!("{}: {e}", wxs.display()))?;
    let mut wixl = Command::new("wixl");
    within(folder, wixl.args(["--arch", "x64", "--output"]).arg(to).arg(&wxs))?;
    for query in QUERIES {
        within(folder, Command::new("msibuild").arg(to).args(["-q", query]))?;
    }
    fs::remove_file(&wxs).map_err(|e| format!("{}: {e}", wxs.display()))?;
    Ok(to.to_owned())
}

fn wix(folder: &Path, version: &str) -> Result<String, String> {
    let (mut here, mut below, mut all) =
        (String::new(), [("plugins", String::new()), ("profiles", String::new())], String::new());
    for file in files(folder)? {
        let name = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().into_owned();
        let id = format!("f_{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        let component = format!(
            "<Component Id=\"c_{id}\" Guid=\"{}\" Win64=\"yes\"><File Id=\"{id}\" Source=\"{}\" KeyPath=\"yes\"/></Component>\n",
            guid(&format!("backout component {name}")),
            // Below the folder that `wixl` runs in: it takes no absolute ones.
            name,
        );
        all.push_str(&format!("<ComponentRef Id=\"c_{id}\"/>\n"));
        match below.iter_mut().find(|(sub, _)| name.starts_with(&format!("{sub}/"))) {
            Some((_, text)) => text.push_str(&component),
            None => here.push_str(&component),
        }
    }
    let [(_, plugins), (_, profiles)] = below;
    let (product, source) = (guid(&format!("backout product {version}")), guid("backout event source"));
    Ok(format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="{product}" Name="backout" Language="1033" Version="{version}" Manufacturer="backout" UpgradeCode="{UPGRADES}">
<Package InstallerVersion="200" Compressed="yes" InstallScope="perMachine" Description="Takes server software back to the state before a patch"/>
<Media Id="1" Cabinet="backout.cab" EmbedCab="yes"/>
<MajorUpgrade DowngradeErrorMessage="A newer backout is installed."/>
<Directory Id="TARGETDIR" Name="SourceDir">
<Directory Id="ProgramFiles64Folder">
<Directory Id="INSTALLDIR" Name="backout">
{here}<Component Id="c_events" Guid="{source}" Win64="yes">
<RegistryKey Root="HKLM" Key="SYSTEM\CurrentControlSet\Services\EventLog\Application\backout">
<RegistryValue Name="EventMessageFile" Type="string" Value="[System64Folder]EventCreate.exe" KeyPath="yes"/>
<RegistryValue Name="TypesSupported" Type="integer" Value="7"/>
</RegistryKey>
</Component>
<Directory Id="D_PLUGINS" Name="plugins">
{plugins}</Directory>
<Directory Id="D_PROFILES" Name="profiles">
{profiles}</Directory>
</Directory>
</Directory>
</Directory>
<Feature Id="Everything" Level="1">
{all}<ComponentRef Id="c_events"/>
</Feature>
<CustomAction Id="NothingIsOpen" FileKey="f_backout_exe" ExeCommand="status" Execute="deferred" Impersonate="no" Return="check"/>
<CustomAction Id="NotAtBoot" FileKey="f_backout_exe" ExeCommand="boot remove" Execute="deferred" Impersonate="no" Return="ignore"/>
<InstallExecuteSequence>
<Custom Action="NothingIsOpen" After="InstallInitialize">REMOVE="ALL"</Custom>
<Custom Action="NotAtBoot" After="NothingIsOpen">REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE</Custom>
</InstallExecuteSequence>
</Product>
</Wix>
"#
    ))
}
