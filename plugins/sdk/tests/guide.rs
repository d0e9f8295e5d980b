//! The plugin of the author's guide, and the tests that the guide gives it.

#[expect(unreachable_pub, reason = "a library's crate root elsewhere")]
#[path = "../../../docs/src/plugins/hello.rs"]
mod hello;

include!("../../../docs/src/plugins/hello_test.rs");

#[test]
fn the_guides_plugin_is_as_short_as_the_guide_says() {
    assert!(include_str!("../../../docs/src/plugins/hello.rs").lines().count() < 40);
}
