//! The checks: each has an id that scripts may name and one sentence.

use serde::{Serialize, Serializer};

macro_rules! checks {
    ($($name:ident $id:literal $code:ident $about:literal,)*) => {
        /// One check of a plugin.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $(#[doc = $about] $name,)*
        }

        impl Check {
            /// All of them, in the order they are carried out in.
            pub const ALL: &[Check] = &[$(Check::$name,)*];

            /// The name that is typed and printed. It never comes to stand for another check.
            pub fn id(self) -> &'static str {
                match self {
                    $(Check::$name => $id,)*
                }
            }

            /// What must hold, in one sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Check::$name => $about,)*
                }
            }

            /// Whether the plugin's code runs for it.
            pub(crate) fn needs_code(self) -> bool {
                match self {
                    $(Check::$name => $code,)*
                }
            }
        }
    };
}

checks! {
    ManifestSection "manifest-section" false "The manifest is read from the file's section `.backout`, without loading it.",
    ApiVersion "api-version" false "The lowest message version is not above the highest, and this tool speaks one of them.",
    IdForm "id-form" false "The id is made of small letters, digits and single hyphens, and begins with a letter.",
    AboutSentence "about-sentence" false "`about` is one sentence on one line, with a capital letter and a full stop.",
    Loads "loads" true "It loads within the deadline, has this tool's ABI, and its manifest in memory is the one in its file.",
    LoadsTwice "loads-twice" true "It can be loaded twice, in one process and in another, and answers the same.",
    DescribeEqual "describe-equal" true "Asked who it is, it answers with its manifest.",
    SchemaValid "schema-valid" true "Its schema is a JSON schema.",
    SchemaTakesExamples "schema-takes-examples" true "Its schema takes the configuration of each of its examples that plans something.",
    ExamplesThere "examples-there" true "It has at least one example, and one that plans something.",
    ExamplesTrue "examples-true" true "Each of its examples comes out as it says.",
    PlansTheSame "plans-the-same" true "Asked for the same plan twice, in one process and in another, it answers the same.",
    OrderOfFolders "order-of-folders" true "The order in which it is told of folders changes nothing.",
    PlacesInside "places-inside" true "A proposal names only places below the folders that it was given, and only services that it was given.",
    StartsWhatItStops "starts-what-it-stops" true "A proposal starts every service again that it stops.",
    UnknownFields "unknown-fields" true "Fields of a request that it does not know change nothing.",
    UnknownRequest "unknown-request" true "A request that it does not know is answered with a failure.",
    GarbageRequest "garbage-request" true "A request that is no JSON, is empty or is cut short is answered with a failure or refused.",
    HugeRequest "huge-request" true "A request of 16 MiB is answered.",
    BadConfig "bad-config" true "A configuration that is empty or no RON is answered with a failure that names line and column.",
    MangledConfig "mangled-config" true "No configuration that was mangled, from the seed, makes it crash.",
    PrintsNothing "prints-nothing" true "It prints nothing on standard output.",
    WritesNothing "writes-nothing" true "It writes nothing while it plans: not where it may, and it needs no leave to.",
    OpensNoSockets "opens-no-sockets" true "No socket is open once it has planned.",
    LeavesNothingRunning "leaves-nothing-running" true "No thread and no process is left once it has planned.",
    PrepareChangesNothing "prepare-changes-nothing" true "Preparing an action changes nothing, and its state is then `before`.",
    ApplyThenAfter "apply-then-after" true "The state of an action that was applied is `after`.",
    UndoThenBefore "undo-then-before" true "The state of an action that was undone is `before`, and every file is as it was.",
    StateAfterKill "state-after-kill" true "An action that was killed while it was applied says truly how far it got, and is undone.",
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_check_has_an_id_of_its_own_and_one_sentence() {
        let ids: BTreeSet<&str> = Check::ALL.iter().map(|c| c.id()).collect();
        assert_eq!(ids.len(), Check::ALL.len());
        for check in Check::ALL {
            assert!(check.id().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{check:?}");
            assert!(check.about().ends_with('.') && !check.about().contains('\n'), "{check:?}");
        }
    }
}
