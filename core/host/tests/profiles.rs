//! The profiles that come with backout read, hold together, and say what the vendor's list says.

use backout_protocol::{
    NameRule, Profile,
    profile::{Check, Goes, Holds, Role, ServiceNeed, Severity, contradiction},
    text::{Text, from_ron},
};
use std::collections::BTreeSet;

const SERVERPROTECT: &str = include_str!("../../../profiles/serverprotect-5.8-patch3.ron");
const LIST: &str = include_str!("../../../profiles/serverprotect-5.8-patch3.csv");
const FIXED: &str = include_str!("../../../profiles/serverprotect-5.8-fixed-address.ron");
const LINUX: &str = include_str!("../../../profiles/linux-service-example.ron");

fn profile(name: &str, text: &str) -> Profile {
    let profile: Profile = from_ron(name, text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(contradiction(&profile), None);
    assert_eq!(profile.name, name);
    profile
}

fn serverprotect() -> Profile {
    profile("serverprotect-5.8-patch3", SERVERPROTECT)
}

#[test]
fn every_row_of_the_vendors_list_is_there_and_no_other() {
    let profile = serverprotect();
    let rows: Vec<String> = LIST.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(rows.len(), 68);
    let known: BTreeSet<String> = rows.iter().cloned().collect();
    let mine = profile.lists.iter().flat_map(|l| {
        l.files.iter().map(|f| {
            let version = f.version.map(|v| v.to_string()).unwrap_or_default();
            format!("{},{},{version}", l.id, f.name)
        })
    });
    let mine: Vec<String> = mine.collect();
    assert_eq!(mine.len(), 68);
    assert_eq!(mine.into_iter().collect::<BTreeSet<_>>(), known);
    // Within a list, in the page's order.
    for list in &profile.lists {
        let page = rows.iter().filter_map(|r| r.strip_prefix(&format!("{},", list.id)));
        let page: Vec<&str> = page.map(|r| r.split(',').next().unwrap()).collect();
        assert_eq!(list.files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), page);
    }
}

#[test]
fn components_and_services_are_the_pages() {
    let profile = serverprotect();
    assert_eq!(profile.names, NameRule::Folded);
    let ids: Vec<&str> = profile.components.iter().map(|c| c.id.as_str()).collect();
    let expected = [
        "normal-server",
        "information-server",
        "cm-agent",
        "management-console",
        "normal-server-hotfix",
        "patch",
    ];
    assert_eq!(ids, expected);
    let services = |id: &str| {
        let component = profile.components.iter().find(|c| c.id.as_str() == id).unwrap();
        component.services.iter().map(|s| (s.name.as_str(), s.need)).collect::<Vec<_>>()
    };
    const NS: &str = "Trend ServerProtect";
    const AGENT: &str = "Trend ServerProtect Agent";
    const TMI: &str = "Trend Micro Management Infrastructure";
    use ServiceNeed::{Optional, Required};
    assert_eq!(services("normal-server"), [(NS, Required), (AGENT, Optional), (TMI, Optional)]);
    assert_eq!(services("information-server"), [(AGENT, Required)]);
    assert_eq!(services("cm-agent"), [(AGENT, Required), (TMI, Required)]);
    for component in &profile.components {
        match (&component.role, component.id.as_str()) {
            (Role::Restore { plugin, .. }, id) => assert_eq!(plugin, id),
            (Role::VerifyOnly { .. }, id) => assert_eq!(id, "management-console"),
            (Role::ReportOnly, id) => assert!(["normal-server-hotfix", "patch"].contains(&id)),
        }
    }
    let Check::Closed { images, components, .. } = &profile.checks[0];
    assert_eq!((images[0].as_str(), components[0].as_str()), ("Admin.exe", "information-server"));
}

#[test]
fn only_the_product_dll_of_the_agent_is_presumed_in_the_home_folder() {
    let profile = serverprotect();
    let list = profile.lists.iter().find(|l| l.id == "cm-agent").unwrap();
    assert_eq!(list.folder, "tmi");
    let elsewhere: Vec<_> =
        list.files.iter().filter_map(|f| Some((f.name.as_str(), f.folder.as_deref()?))).collect();
    assert_eq!(elsewhere, [("libEN_Product.dll", "home")]);
}

#[test]
fn the_advisory_on_code_execution_comes_first_and_every_fix_has_one() {
    let profile = serverprotect();
    let first = &profile.advisories[0];
    assert_eq!((first.id.as_str(), first.severity), ("p3-15", Severity::Critical));
    assert_eq!(first.component.as_ref().unwrap().as_str(), "cm-agent");
    assert!(first.text.en.contains("mrf.exe"));
    let build =
        |id: &str| profile.advisories.iter().find(|a| a.id == id).unwrap_or_else(|| panic!("{id}")).fixed_in;
    (1..=15).for_each(|n| assert_eq!(build(&format!("p3-{n}")), 1297));
    assert_eq!((build("p2-9"), build("p1-2"), profile.advisories.len()), (1270, 1240, 17));
    let severities: Vec<Severity> = profile.advisories.iter().map(|a| a.severity).collect();
    assert!(severities.is_sorted(), "the worst first");
}

#[test]
fn everything_said_is_said_in_both_languages() {
    let profile = serverprotect();
    let mut texts: Vec<&Text> = vec![&profile.title];
    texts.extend(profile.variables.iter().map(|v| &v.about));
    texts.extend(profile.components.iter().map(|c| &c.title));
    texts.extend(profile.advisories.iter().map(|a| &a.text));
    texts.extend(profile.reminders.iter().map(|r| &r.text));
    texts.extend(profile.questions.iter().chain(&profile.before_patch).flat_map(|q| [&q.text, &q.remedy]));
    for component in &profile.components {
        if let Role::VerifyOnly { why } = &component.role {
            texts.push(why);
        }
    }
    let Check::Closed { help, .. } = &profile.checks[0];
    texts.push(help);
    for text in texts {
        assert!(!text.en.is_empty() && text.ja.as_ref().is_some_and(|ja| !ja.is_empty()), "{text:?}");
    }
}

#[test]
fn the_linux_example_holds_together() {
    let profile = profile("linux-service-example", LINUX);
    assert_eq!(profile.components[0].services.len(), 1);
    assert!(matches!(&profile.components[0].role, Role::Restore { plugin, .. } if plugin == "file-set"));
}

#[test]
fn the_fixed_address_is_what_the_page_says_of_fix_7() {
    let profile = profile("serverprotect-5.8-fixed-address", FIXED);
    assert_eq!(profile.goes, Goes::Forward);
    let [component] = &profile.components[..] else { panic!("one component") };
    let services: Vec<&str> = component.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(services, ["Trend ServerProtect"]);
    let Role::Restore { plugin, config } = &component.role else { panic!("a plugin plans it") };
    assert_eq!(plugin, "settings");
    let config = config.get_ron();
    for fact in [
        r"ServerProtect\CurrentVersion\RPC",
        r#"value: "FIXAgentAddress", data: Sz("$is_address")"#,
        r#"file: "ns_home/SPNSOPT.dat""#,
        r#"section: "FixedComputerIP", key: "HostName", value: "$own_address""#,
    ] {
        assert!(config.contains(fact), "{fact}");
    }
    let texts: Vec<&str> =
        profile.variables.iter().filter(|v| v.holds == Holds::Text).map(|v| v.name.as_str()).collect();
    assert_eq!(texts, ["is_address", "own_address"]);
}
