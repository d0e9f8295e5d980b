//! What the plugin declares of itself holds, also where something cannot be read.

use backout_plugin::testkit::ComponentTest;
use backout_settings::Settings;

#[test]
fn every_example_holds_stands_any_fault_and_can_be_taken_back() {
    ComponentTest::<Settings>::new().examples().faults().undo();
}
